"""The objective on contacts: attention between bins should resemble measured contacts.

The published 3D variant subtracts from the loss of the signals twice the mean cosine similarity between rows of the
attention and rows of the contacts, over the bins that have contacts. Its released code does not run; this is written
from that description. In detail:

- The attention of a window and a cell is the mean over the chosen layers and heads. Contacts have their own bins, as
  large as the network's or larger. The mean of the attention over a pair of such bins is compared with their contacts.
- Row i is how bin i attends to the others, as the softmax gives it, not made symmetric. A cosine does not depend on the
  scale of a row. So rows that sum to 1 and rows of counts compare, and only the distribution within a row matters.
- The diagonal does not count. Each bin attends most to itself, and in measured maps contacts of a bin with itself are
  mostly ligations of a fragment with itself. Together they would make nearly all of every cosine.
- Values that are NaN do not count either. A row without any contact beside the diagonal is left out.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from epigept_export.attention import SelfAttention
    from epigept_export.model import EpiGePT

    Inputs = Sequence[tuple[SelfAttention, Tensor]]
    """Chosen layers' attention, and what it reads: (windows × cells, bins, hidden)."""

OUTSIDE = -1
"""Number of the contacts' bin for bins of the network that belong to none."""


class ContactTargets(NamedTuple):
    """The contacts of a batch, for the windows and cells that have any.

    Attributes:
        pairs: int64, (pairs,): window × number of cells + cell.
        groups: int64, (pairs, bins): for each bin of the network the contacts' bin that it belongs to, or `OUTSIDE`.
        contacts: float32, (pairs, size, size): NaN where they do not count.
    """

    pairs: Tensor
    groups: Tensor
    contacts: Tensor


@contextmanager
def attention_inputs(network: EpiGePT, layers: Sequence[int]) -> Iterator[Inputs]:
    """Provide a list that the next pass fills with what the attention of the chosen layers reads."""
    kept: list[tuple[SelfAttention, Tensor]] = []
    stack = network.layer_stack().layer
    hooks = [
        stack[number]
        .get_submodule("attention.self")
        .register_forward_pre_hook(lambda module, given: kept.append((module, given[0])))
        for number in layers
    ]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def mean_attention(inputs: Inputs, targets: ContactTargets, heads: Sequence[int]) -> Tensor:
    """Return the attention between the contacts' bins: the mean over layers, heads, and the pairs of bins in each pair.

    Only one layer's probabilities are in memory at a time: the backward pass computes them again.

    Args:
        inputs: From `attention_inputs`.
        targets: The contacts to compare with.
        heads: Which heads.

    Returns:
        float32, (pairs, size, size); 0 for contacts' bins without bins of the network.
    """
    members = _members(targets.groups, targets.contacts.shape[-1])
    parts = [
        checkpoint(_of_layer, attention, x.index_select(0, targets.pairs), members, heads, use_reentrant=False)
        for attention, x in inputs
    ]
    return torch.stack(parts).mean(dim=0)


def _of_layer(attention: SelfAttention, x: Tensor, members: Tensor, heads: Sequence[int]) -> Tensor:
    """Return the mean attention of a layer, float32 or more precise, (pairs, size, size)."""
    probabilities = attention.probabilities(x)
    if len(heads) < attention.heads:
        probabilities = probabilities[:, list(heads)]
    mean = probabilities.mean(dim=1)
    shares = members.to(mean.dtype) / members.sum(dim=2, keepdim=True).clamp(min=1)
    return shares @ mean @ shares.transpose(1, 2)


def _members(groups: Tensor, size: int) -> Tensor:
    """Return which bins belong to each group: (pairs, bins) -> bool, (pairs, size, bins)."""
    return groups[:, None, :] == torch.arange(size, device=groups.device)[:, None]


def row_similarities(attention: Tensor, contacts: Tensor) -> Tensor:
    """Return the cosine of each row that has contacts.

    Args:
        attention: float32, (pairs, size, size).
        contacts: The same; NaN where they do not count.

    Returns:
        float32, (rows,), of the rows that count, in order.
    """
    counts = contacts_that_count(contacts)
    found, expected = (torch.where(counts, values.to(attention.dtype), 0) for values in (attention, contacts))
    rows = (expected > 0).any(dim=-1)
    return functional.cosine_similarity(found[rows], expected[rows], dim=-1)


def contacts_that_count(contacts: Tensor) -> Tensor:
    """Return which contacts count: those with a value, beside the diagonal; bool, (…, size, size)."""
    diagonal = torch.eye(contacts.shape[-1], dtype=torch.bool, device=contacts.device)
    return ~(contacts.isnan() | diagonal)
