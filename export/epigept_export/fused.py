"""The transformer's parts as operators for which ONNX Runtime has fused kernels; for export only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from epigept_export.attention import FUSED_ATTENTION, FusedSelfAttention, frozen, pad_heads, padded_head
from epigept_export.model import LAYER_NORM_EPS

if TYPE_CHECKING:
    from epigept_export.model import AddAndNormalise, Intermediate, Layer

SKIP_LAYER_NORMALIZATION = "com.microsoft::SkipLayerNormalization"
BIAS_GELU = "com.microsoft::BiasGelu"
PER_LAYER = {FUSED_ATTENTION: 1, SKIP_LAYER_NORMALIZATION: 2, BIAS_GELU: 1}
"""Numbers of fused operators per transformer layer."""


class FusedAddAndNormalise(nn.Module):
    """A linear layer, then bias, residual and LayerNorm as one operator."""

    def __init__(self, plain: AddAndNormalise, weight: Tensor) -> None:
        super().__init__()
        self.weight = frozen(weight.T.contiguous())  # (width, hidden)
        self.bias, self.gamma, self.beta = plain.dense.bias, plain.LayerNorm.weight, plain.LayerNorm.bias

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(batch, bins, width), (batch, bins, hidden) -> (batch, bins, hidden)."""
        return torch.onnx.ops.symbolic(
            SKIP_LAYER_NORMALIZATION,
            (x @ self.weight, residual, self.gamma, self.beta, self.bias),
            {"epsilon": LAYER_NORM_EPS},
            dtype=x.dtype,
            shape=residual.shape,
            version=1,
        )


class FusedIntermediate(nn.Module):
    """A linear layer, then bias and erf GELU as one operator."""

    def __init__(self, plain: Intermediate) -> None:
        super().__init__()
        self.weight = frozen(plain.dense.weight.T.contiguous())  # (hidden, feed-forward)
        self.bias = plain.dense.bias

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> (batch, bins, feed-forward)."""
        product = x @ self.weight
        return torch.onnx.ops.symbolic(
            BIAS_GELU, (product, self.bias), {}, dtype=x.dtype, shape=product.shape, version=1
        )


class FusedLayer(nn.Module):
    """A transformer layer of fused operators."""

    def __init__(self, plain: Layer) -> None:
        super().__init__()
        attention, output = plain.attention.self, plain.attention.output
        padded = padded_head(output.dense.in_features // attention.heads)
        self.attention = FusedSelfAttention.from_plain(attention)
        # The attention's output has zeros after each head, so the rows that these multiply are zero too.
        weight = pad_heads(output.dense.weight.T, attention.heads, padded).T
        self.attention_output = FusedAddAndNormalise(output, weight)
        self.intermediate = FusedIntermediate(plain.intermediate)
        self.output = FusedAddAndNormalise(plain.output, plain.output.dense.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same."""
        x = self.attention_output(self.attention(x), x)
        out: Tensor = self.output(self.intermediate(x), x)
        return out

    def probabilities(self, x: Tensor) -> Tensor:
        """Return the attention of its bins, as `FusedSelfAttention.probabilities` does."""
        return self.attention.probabilities(x)
