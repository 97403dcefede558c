"""Compares a model file with the original network in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from epigept_batch.errors import EpiGePTError, ModelError
from epigept_batch.inference.check import (
    CONTACT_LIMITS,
    Closeness,
    check_inputs,
    check_limit,
    compare_contacts,
    compare_tracks,
    run_inputs,
)
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.ports import SIGNAL, joined
from epigept_batch.inference.session import open_session
from epigept_export.architectures import ARCHITECTURES, TRAINED, with_factors
from epigept_export.contacts import with_contacts
from epigept_export.load import load_network

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.inference.check import Limit
    from epigept_batch.inference.device import Device
    from epigept_batch.inference.ports import Inputs
    from epigept_batch.spec import Spec
    from epigept_export.architectures import Architecture
    from epigept_export.contacts import WithContacts
    from epigept_export.model import EpiGePT


@dataclass(frozen=True)
class Verification:
    """How close a model file comes to the original network.

    Attributes:
        tracks: How close each track comes.
        limit: Limit of a track for the file's precision and the device's arithmetic.
        contacts: How close each contact output comes.
        contact_limit: Limit of a contact output for the file's precision.
    """

    tracks: tuple[Closeness, ...]
    limit: Limit
    contacts: tuple[Closeness, ...]
    contact_limit: Limit

    @property
    def missed(self) -> list[Closeness]:
        """The tracks and contact outputs that are not within their limit."""
        return [figures for figures, limit in self._limited if not figures.within(limit)]

    @property
    def _limited(self) -> list[tuple[Closeness, Limit]]:
        return [(track, self.limit) for track in self.tracks] + [(map_, self.contact_limit) for map_ in self.contacts]

    def check(self, model: Path, *, advice: str) -> None:
        """Check that every track and contact output is within its limit; `advice` says what to do otherwise.

        Raises:
            VerificationError: One is not.
        """
        missed = self.missed
        if missed:
            limit = dict(self._limited)[missed[0]]
            others = f"; so are {', '.join(figures.name for figures in missed[1:])}" if missed[1:] else ""
            raise VerificationError(
                f"differs from the checkpoint's network by more than its precision allows: {missed[0].name} is off by "
                f"{missed[0].error:.2g} (at most {limit.error:g}) with r {missed[0].r:.6f} (at least "
                f"{limit.r:g}){others}; {advice}",
                model,
            )

    def table(self) -> str:
        """Return a table of the figures, one line per output, and of the limits."""
        width = max(len(figures.name) for figures, _ in self._limited)
        lines = [f"{'':{width}}  max abs error  {'least r':>9}"]
        lines += _rows(self.tracks, self.limit, width)
        if self.contacts:
            lines += [
                "",
                f"{'':{width}}  error / mean   {'least r':>9}",
                *_rows(self.contacts, self.contact_limit, width),
            ]
        return "\n".join(lines)


def _rows(parts: Sequence[Closeness], limit: Limit, width: int) -> list[str]:
    """Return a row for each track or map, and one for their limit."""
    return [
        f"{part.name:{width}}  {part.error:13.2e}  {part.r:.7f}"
        for part in (*parts, Closeness("limit", limit.error, limit.r))
    ]


class VerificationError(EpiGePTError):
    """A model file that does not match the network that it was made from; exit code 1."""


def verify(
    model: Path,
    checkpoint: Path,
    device: Device,
    *,
    threads: int,
    say: Callable[[str], None],
    architecture: Architecture | None = None,
) -> Verification:
    """Run the checkpoint in torch and the model file in ONNX Runtime on the file's check inputs.

    Args:
        model: The model file.
        checkpoint: The checkpoint that it was made from.
        device: Device on which the file runs; torch runs on the CPU.
        threads: Number of CPU threads.
        say: Reports a sentence to the user.
        architecture: The network's; by default the one that the file names, or that the checkpoint carries.

    Raises:
        EpiGePTError: Something that the user can fix, in one line; exceeding a limit raises nothing here.
    """
    spec = read_spec(model)
    if architecture is None and spec.architecture != TRAINED:
        if spec.architecture not in ARCHITECTURES:
            raise ModelError(f"architecture '{spec.architecture}' is not supported by this version", model)
        architecture = with_factors(ARCHITECTURES[spec.architecture], len(spec.factors))
    network = load_network(checkpoint, architecture)
    _check_layers(network.architecture, spec, checkpoint)
    _check_sizes(network.architecture, spec, checkpoint)
    if file_sha256(checkpoint) != spec.checkpoint_sha256:
        say(f"{checkpoint} is not the file that the model was made from; comparing anyway")
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    expected = original_outputs(with_contacts(network, spec.contacts), inputs, threads=threads)
    return compare_file(model, spec, inputs, expected, device, threads=threads, say=say)


def _check_sizes(architecture: Architecture, spec: Spec, checkpoint: Path) -> None:
    """Check that a checkpoint's network has the inputs and outputs of a model file.

    Raises:
        ModelError: It belongs to another network.
    """
    theirs = (architecture.geometry.bins, architecture.geometry.bin_bp, architecture.factors, len(architecture.tracks))
    ours = (spec.geometry.bins, spec.geometry.bin_bp, len(spec.factors), len(spec.tracks))
    if theirs != ours:
        words = [
            f"{bins * bin_bp:,} bp, {factors:,} factors and {tracks} tracks"
            for bins, bin_bp, factors, tracks in (theirs, ours)
        ]
        raise ModelError(
            f"not the model file's network: {words[0]} instead of {words[1]}; use the checkpoint that the model was "
            "made from",
            checkpoint,
        )


def _check_layers(architecture: Architecture, spec: Spec, checkpoint: Path) -> None:
    """Check that a checkpoint's network has the layers whose attention a model file outputs.

    Raises:
        ModelError: It belongs to another network.
    """
    if any(number >= architecture.layers for output in spec.contacts for number in output.layers):
        raise ModelError(
            f"has {architecture.layers} layers, fewer than the model file averages contacts over; use the checkpoint "
            "that the model was made from",
            checkpoint,
        )


def original_outputs(
    network: EpiGePT | WithContacts, inputs: Inputs, *, threads: int
) -> Mapping[str, NDArray[np.float32]]:
    """Run the plain network in torch, one window and one sample at a time.

    Returns:
        Each output by name, float32, (windows, samples, …).
    """
    torch.set_num_threads(threads)
    windows, samples = inputs.shape
    with torch.inference_mode():
        return joined(
            [
                joined([_alone(network, inputs, window, sample) for sample in range(samples)], axis=1)
                for window in range(windows)
            ],
            axis=0,
        )


def _alone(
    network: EpiGePT | WithContacts, inputs: Inputs, window: int, sample: int
) -> Mapping[str, NDArray[np.float32]]:
    """Run the network on one window and one sample."""
    one = inputs.part(slice(window, window + 1), slice(sample, sample + 1))
    rows = {**one.windows, **one.samples}
    found = network(**{name: torch.from_numpy(np.asarray(values)) for name, values in rows.items()})
    outputs: tuple[torch.Tensor, ...] = found if isinstance(found, tuple) else (found,)
    return {name: output.numpy() for name, output in zip(network.output_names, outputs, strict=True)}


def compare_file(
    model: Path,
    spec: Spec,
    inputs: Inputs,
    expected: Mapping[str, NDArray[np.float32]],
    device: Device,
    *,
    threads: int,
    say: Callable[[str], None],
) -> Verification:
    """Run a model file on check inputs, and compare it with the original network's outputs for them."""
    session = open_session(model, device, precision=spec.precision, threads=threads, say=say, outputs=tuple(expected))
    found = run_inputs(session, inputs)
    return Verification(
        tuple(compare_tracks(found[SIGNAL], expected[SIGNAL], spec.tracks)),
        check_limit(spec.precision, session.arithmetic, session.provider),
        tuple(compare_contacts(o.name, found[o.name], expected[o.name]) for o in spec.contacts),
        CONTACT_LIMITS[spec.precision],
    )
