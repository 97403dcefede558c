"""Loads the network of a checkpoint, and recognises its architecture by the names and shapes of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from epigept_batch.errors import ModelError
from epigept_export.architectures import ARCHITECTURES, Architecture, with_factors
from epigept_export.checkpoint import read_state_dict
from epigept_export.model import EpiGePT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

ARCHITECTURE_KEY = "epigept_architecture"
MOST_DESCRIBED = 1 << 22
"""Maximum bytes of an architecture's description; with all training windows it takes a few thousand."""
UNUSED = ("embeddings.position_ids", "embeddings.token_type_ids", "embeddings.word_embeddings.", "pooler.")
"""Keys below the encoder's that BERT has, but that a network with ready-made inputs does not use."""


@dataclass(frozen=True)
class Difference:
    """The differences between a state dict and an architecture.

    Attributes:
        architecture: The architecture.
        sentences: One per key that is missing, misshapen or unexpected, in this order.
    """

    architecture: Architecture
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        more = len(self.sentences) - 1
        return self.sentences[0] + (f", and {more} more" if more else "")


def load_network(
    checkpoint: Path, wanted: Architecture | None = None, *, factors: int | None = None, stated: bool = False
) -> EpiGePT:
    """Load the network with a checkpoint's weights, in float32.

    Args:
        checkpoint: A file that `read_state_dict` reads.
        wanted: Its architecture; None to recognise a published one.
        factors: As in `recognise`.
        stated: As in `recognise`.

    Raises:
        ModelError: It has another architecture, or its weights are not finite numbers.
    """
    state = read_state_dict(checkpoint)
    own = _own_architecture(state, checkpoint)
    architecture = recognise(state, checkpoint, wanted=wanted or own, factors=factors, stated=stated)
    with torch.device("meta"):
        network = EpiGePT(architecture)
    weights = {key: state[key] for key in network.state_dict()}
    for key, tensor in weights.items():
        if not tensor.is_floating_point():
            raise ModelError(f"{key} has type {tensor.dtype}; use floating-point weights", checkpoint)
        if not tensor.isfinite().all():
            raise ModelError(f"{key} contains non-finite values; the training must have failed", checkpoint)
    # Copied, because a single tensor that is mapped from the file would keep the whole file in memory.
    weights = {key: tensor.to(torch.float32, copy=True) for key, tensor in weights.items()}
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(requires_grad=False).eval()


def embedded(architecture: Architecture) -> dict[str, Tensor]:
    """Encode an architecture as a tensor, which networks trained with epigept-export carry among their weights."""
    return {ARCHITECTURE_KEY: torch.frombuffer(bytearray(architecture.to_json().encode()), dtype=torch.uint8)}


def _own_architecture(state: dict[str, Tensor], path: Path) -> Architecture | None:
    """Remove and return the architecture that a checkpoint carries; None for a checkpoint trained elsewhere.

    Raises:
        ModelError: The architecture is damaged.
    """
    carried = state.pop(ARCHITECTURE_KEY, None)
    if carried is None:
        return None
    try:
        if carried.dtype != torch.uint8 or carried.ndim != 1 or carried.numel() > MOST_DESCRIBED:
            raise ValueError("not text")  # noqa: TRY301 - as any other damage
        return Architecture.from_json(bytes(carried.tolist()).decode()).checked()
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelError(f"contains a damaged architecture ({type(error).__name__}: {error})", path) from error


def recognise(
    state: Mapping[str, Tensor],
    path: Path,
    *,
    wanted: Architecture | None = None,
    factors: int | None = None,
    stated: bool = False,
) -> Architecture:
    """Find the architecture whose keys and shapes a state dict has.

    Shapes do not determine the number of factors: zero columns fill the width up to a multiple of the heads, so 705 to
    712 factors look the same. If the published number fits, it is assumed unless another is stated.

    Args:
        state: Tensors by name.
        path: Their file, for messages.
        wanted: The only architecture to accept; None for all published ones.
        factors: Number of factors of a network that was trained on another motif set.
        stated: Whether the user stated that number.

    Raises:
        ModelError: None fits; the message names the first key that differs from the closest, and how many more differ.
    """
    published = list(ARCHITECTURES.values())
    candidates = published if wanted is None else [wanted]
    own = [] if factors is None else [with_factors(architecture, factors) for architecture in candidates]
    found = _nearest(state, own if stated else candidates)
    if found.sentences and own and not (other := _nearest(state, own)).sentences:
        found = other
    if not found.sentences:
        return found.architecture
    name = found.architecture.name
    if wanted is None:
        raise ModelError(f"not an EpiGePT checkpoint; closest to {name}, but {found}", path)
    other = _nearest(state, published)
    verb = "is closest to" if other.sentences else "fits"
    raise ModelError(f"not a checkpoint of {name}: {found}; it {verb} {other.architecture.name}", path)


def _nearest(state: Mapping[str, Tensor], candidates: Sequence[Architecture]) -> Difference:
    """Return the difference from the closest candidate; it has no sentences if the candidate fits."""
    differences = (difference(state, architecture) for architecture in candidates)
    return min(differences, key=lambda found: len(found.sentences))


def difference(state: Mapping[str, Tensor], architecture: Architecture) -> Difference:
    """Compare a state dict with an architecture."""
    with torch.device("meta"):
        shapes = {key: tuple(tensor.shape) for key, tensor in EpiGePT(architecture).state_dict().items()}
    unused = tuple(f"{architecture.encoder_key}.{name}" for name in UNUSED)
    missing = [f"{key} is missing" for key in shapes if key not in state]
    misshapen = [
        f"{key} has shape {tuple(state[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    unexpected = [f"{key} is unexpected" for key in state if key not in shapes and not key.startswith(unused)]
    return Difference(architecture, (*missing, *misshapen, *unexpected))
