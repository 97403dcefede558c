"""The transformer layer in 8-bit integers, for CPUs; for export only.

Activations are quantised to uint8 with one scale per tensor, weights to int8 with one scale per column. Done directly,
this wastes most of the accuracy. An activation's mean over the window's bins is large, so it takes up the range of the
integers and is multiplied by the rounding error of every weight. But only the deviations from the mean distinguish the
bins. So only the deviations use integers; the mean, one row per window, is multiplied by the weights in float:

    x W = (x - m) W8 + m W

Two parts of attention do not require the mean. Softmax ignores a constant added to all of a query's scores, so the mean
of the keys is dropped. Weights that sum to 1 preserve the mean of the values, so it is added to that of the output.

The first half of the feed-forward part reads the activation with the largest outliers and loses most accuracy. There,
the remainder of the first quantisation is quantised again and passes through the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from epigept_export.attention import attended, frozen, split_heads

if TYPE_CHECKING:
    from epigept_export.model import Layer

INTEGER_PRODUCT = "com.microsoft::MatMulIntegerToFloat"
ATTENTION = "com.microsoft::MultiHeadAttention"
PER_LAYER = {INTEGER_PRODUCT: 7, ATTENTION: 1, "DynamicQuantizeLinear": 5}
"""Numbers of integer operators per transformer layer."""
LARGEST = 127


class Quantised(NamedTuple):
    """A tensor as (value - zero point) × scale."""

    value: Tensor  # uint8
    scale: Tensor  # float32, ()
    zero_point: Tensor  # uint8, ()


class QuantisedLinear(nn.Module):
    """A linear layer with two forms of its weights: integers for deviations, and floats for means."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        weight = plain.weight.T  # (in, out)
        scale = weight.abs().amax(dim=0) / LARGEST
        scale = torch.where(scale > 0, scale, 1)  # a column of zeros
        self.integers = frozen((weight / scale).round().to(torch.int8).contiguous())
        self.scale = frozen(scale)
        self.fine = frozen(weight.half().contiguous())  # half the bytes in the file; adds a thousandth of the rounding
        self.bias = plain.bias

    def deviation(self, x: Quantised, mean: Tensor | None = None) -> Tensor:
        """Multiply deviations, and add the mean's product: (batch, bins, in), (batch, 1, out) -> (batch, bins, out)."""
        row = () if mean is None else (None, mean.flatten())  # the operator adds it; works for one window per call
        return torch.onnx.ops.symbolic(
            INTEGER_PRODUCT,
            (x.value, self.integers, x.scale, self.scale, x.zero_point, *row),
            {},
            dtype=torch.float32,
            shape=(*x.value.shape[:-1], self.integers.shape[1]),
            version=1,
        )

    def in_floats(self, x: Tensor) -> Tensor:
        """Multiply by the fine weights, and add the bias, as for a mean: (batch, rows, in) -> (batch, rows, out)."""
        return x @ self.fine.float() + self.bias


class QuantisedLayer(nn.Module):
    """A transformer layer that multiplies by its weights in integers."""

    def __init__(self, plain: Layer) -> None:
        super().__init__()
        attention = plain.attention.self
        self.heads = attention.heads
        self.query = QuantisedLinear(attention.query)
        self.key = QuantisedLinear(attention.key)
        self.value = QuantisedLinear(attention.value)
        self.attention_output = QuantisedLinear(plain.attention.output.dense)
        self.attention_norm = plain.attention.output.LayerNorm
        self.intermediate = QuantisedLinear(plain.intermediate.dense)
        self.output = QuantisedLinear(plain.output.dense)
        self.output_norm = plain.output.LayerNorm

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same; one window and one sample per call, because more would share a scale."""
        x = self.attention_norm(self._attention(x) + x)
        out: Tensor = self.output_norm(self._feed_forward(x) + x)
        return out

    def probabilities(self, x: Tensor) -> Tensor:
        """Return how much each bin attends to each: (batch, bins, hidden) -> (batch, heads, bins, bins).

        In floats, because rounding errors of integers would be multiplied by the peaks of the softmax.
        """
        query, key = (split_heads(linear.in_floats(x), self.heads) for linear in (self.query, self.key))
        return attended(query, key)

    def _attention(self, x: Tensor) -> Tensor:
        mean, deviation = centred(x)
        quantised = quantise(deviation)
        query = self.query.deviation(quantised, self.query.in_floats(mean))
        key = self.key.deviation(quantised)
        value = self.value.deviation(quantised)
        mixed = torch.onnx.ops.symbolic(
            ATTENTION, (query, key, value), {"num_heads": self.heads}, dtype=x.dtype, shape=x.shape, version=1
        )
        mixed_mean, deviation = centred(mixed)
        mixed_mean = mixed_mean + self.value.in_floats(mean)
        return self.attention_output.deviation(quantise(deviation), self.attention_output.in_floats(mixed_mean))

    def _feed_forward(self, x: Tensor) -> Tensor:
        mean, deviation = centred(x)
        quantised = quantise(deviation)
        rest = quantise(deviation - dequantise(quantised))
        hidden = self.intermediate.deviation(quantised, self.intermediate.in_floats(mean))
        hidden = functional.gelu(hidden + self.intermediate.deviation(rest))
        mean, deviation = centred(hidden)
        return self.output.deviation(quantise(deviation), self.output.in_floats(mean))


def centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean over bins, (batch, 1, hidden), and the deviations from it, (batch, bins, hidden)."""
    bins = x.shape[1]
    mean = x.new_full((1, 1, bins), 1 / bins) @ x  # a product, because reductions over rows are slower
    return mean, x - mean


def quantise(x: Tensor) -> Quantised:
    """Quantise to uint8, scaled to the range of the tensor."""
    outputs = torch.onnx.ops.symbolic_multi_out(
        "DynamicQuantizeLinear",
        (x,),
        {},
        dtypes=(torch.uint8, torch.float32, torch.uint8),
        shapes=(x.shape, (), ()),
        version=11,
    )
    return Quantised(*outputs)


def dequantise(x: Quantised) -> Tensor:
    """Return the values as float32, with the same shape."""
    return torch.onnx.ops.symbolic(
        "DequantizeLinear", (x.value, x.scale, x.zero_point), {}, dtype=torch.float32, shape=x.value.shape, version=13
    )
