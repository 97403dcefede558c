"""Multi-head self-attention: as in BERT, and as the single operator that fused kernels implement."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from epigept_batch.tiling import ceil_div

FUSED_ATTENTION = "com.microsoft::Attention"
HEAD_MULTIPLE = 8
"""CUDA's fused attention kernels (flash, cuDNN, memory-efficient) require head sizes that are multiples of 8."""
PADDED_HEAD = 128
"""Head sizes just below this are padded to it: 121 -> 128, for which those kernels are fastest."""


class SelfAttention(nn.Module):
    """BERT's self-attention without mask or dropout, with the names of the checkpoint."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> (batch, bins, hidden)."""
        query, key, value = (self._split(linear(x)) for linear in (self.query, self.key, self.value))
        out: Tensor = (attended(query, key) @ value).transpose(1, 2).flatten(2)
        return out

    def probabilities(self, x: Tensor) -> Tensor:
        """Return how much each bin attends to each: (batch, bins, hidden) -> (batch, heads, bins, bins).

        A row, the second last dimension, is the bin that attends; it sums to 1. float32, or float64 like the input.
        """
        precise = torch.promote_types(x.dtype, torch.float32)
        query, key = (self._split(linear(x).to(precise)) for linear in (self.query, self.key))
        return attended(query, key)

    def _split(self, x: Tensor) -> Tensor:
        return split_heads(x, self.heads)


class OnePassSelfAttention(SelfAttention):
    """The same function and weights, for training: the scores are never all in memory at once."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> (batch, bins, hidden)."""
        query, key, value = (self._split(linear(x)) for linear in (self.query, self.key, self.value))
        out: Tensor = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return out


class FusedSelfAttention(nn.Module):
    """The same function as one `com.microsoft::Attention` operator, for export only.

    Query, key and value are one matrix. Each head is padded with zeros to a size that fused kernels support. This
    changes neither the products of queries and keys nor the sums, because the values' padding is zero. The operator
    divides by the root of the padded size, but the network divides by the root of the true size. The quotient is folded
    into the query's weights, because one backend ignores the operator's `scale` attribute.
    """

    def __init__(self, weight: Tensor, bias: Tensor, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = frozen(weight)
        self.bias = frozen(bias)

    @classmethod
    def from_plain(cls, plain: SelfAttention) -> Self:
        """Pack and pad the weights of a plain module."""
        hidden = plain.query.in_features
        head = hidden // plain.heads
        padded = padded_head(head)
        scale = math.sqrt(padded / head)
        weights, biases = [], []
        for linear, factor in ((plain.query, scale), (plain.key, 1.0), (plain.value, 1.0)):
            weights.append(pad_heads(linear.weight.double() * factor, plain.heads, padded).T)
            biases.append(pad_heads(linear.bias.double() * factor, plain.heads, padded))
        dtype = plain.query.weight.dtype
        weight = torch.cat(weights, dim=1).to(dtype).contiguous()
        return cls(weight, torch.cat(biases).to(dtype), plain.heads)

    def probabilities(self, x: Tensor) -> Tensor:
        """Return how much each bin attends to each, float32: (batch, bins, hidden) -> (batch, heads, bins, bins)."""
        width = self.weight.shape[1] // 3
        both = x @ self.weight[:, : 2 * width] + self.bias[: 2 * width]
        # Float32 even in a float16 file: rounding a score of 10 to float16 changes its probability by half a percent.
        query, key = (split_heads(part.float(), self.heads) for part in both.split(width, dim=2))
        return attended(query, key)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> (batch, bins, heads × padded head)."""
        width = self.weight.shape[1] // 3
        return torch.onnx.ops.symbolic(
            FUSED_ATTENTION,
            (x, self.weight, self.bias),
            {"num_heads": self.heads},
            dtype=x.dtype,
            shape=(x.shape[0], x.shape[1], width),
            version=1,
        )


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(batch, bins, hidden) -> (batch, heads, bins, head)."""
    split: Tensor = x.unflatten(2, (heads, -1))
    return split.transpose(1, 2)


def attended(query: Tensor, key: Tensor) -> Tensor:
    """Return the probabilities of attention: (…, bins, head) twice -> (…, bins, bins)."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    return scores.softmax(dim=-1)


def frozen(tensor: Tensor) -> nn.Parameter:
    """Return a parameter that is not trained."""
    return nn.Parameter(tensor, requires_grad=False)


def padded_head(head: int) -> int:
    """Return the size to which heads are padded: 128 for the published 121, else the next multiple of 8."""
    if PADDED_HEAD - HEAD_MULTIPLE < head <= PADDED_HEAD:
        return PADDED_HEAD
    return ceil_div(head, HEAD_MULTIPLE) * HEAD_MULTIPLE


def pad_heads(x: Tensor, heads: int, padded: int) -> Tensor:
    """Append zero rows to each head: (heads × head, …) -> (heads × padded, …)."""
    split = x.unflatten(0, (heads, -1))
    zeros = split.new_zeros(heads, padded - split.shape[1], *split.shape[2:])
    return torch.cat([split, zeros], dim=1).flatten(0, 1)
