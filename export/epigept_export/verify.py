"""Compares a model file with the original network in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from epigept_batch.errors import EpiGePTError, ModelError
from epigept_batch.inference.check import check_inputs, check_limit, compare_tracks, run_inputs
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.session import open_session
from epigept_export.architectures import ARCHITECTURES, TRAINED, with_factors
from epigept_export.load import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.inference.check import Limit, TrackFigures
    from epigept_batch.inference.device import Device
    from epigept_batch.inference.ports import Inputs
    from epigept_batch.spec import Spec
    from epigept_export.architectures import Architecture
    from epigept_export.model import EpiGePT


@dataclass(frozen=True)
class Verification:
    """How close a model file comes to the original network.

    Attributes:
        tracks: Figures of each track.
        limit: Limit for the file's precision and the device's arithmetic.
    """

    tracks: tuple[TrackFigures, ...]
    limit: Limit

    @property
    def missed(self) -> list[TrackFigures]:
        """The tracks that are not within the limit."""
        return [figures for figures in self.tracks if not figures.within(self.limit)]

    def check(self, model: Path, *, advice: str) -> None:
        """Check that every track is within the limit; `advice` says what to do otherwise.

        Raises:
            VerificationError: A track is not within the limit.
        """
        missed = self.missed
        if missed:
            others = f"; so are {', '.join(figures.track for figures in missed[1:])}" if missed[1:] else ""
            raise VerificationError(
                f"differs from the checkpoint's network by more than its precision allows: {missed[0].track} is off by "
                f"{missed[0].error:.2g} (at most {self.limit.error:g}) with r {missed[0].r:.6f} (at least "
                f"{self.limit.r:g}){others}; {advice}",
                model,
            )

    def table(self) -> str:
        """Return a table of the figures, one line per track, and of the limits."""
        width = max(len(figures.track) for figures in self.tracks)
        lines = [f"{'':{width}}  max abs error  {'least r':>9}"]
        lines += [f"{f.track:{width}}  {f.error:13.2e}  {_digits(f.r)}" for f in self.tracks]
        return "\n".join([*lines, f"{'limit':{width}}  {self.limit.error:13.2e}  {_digits(self.limit.r)}"])


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
    _check_sizes(network.architecture, spec, checkpoint)
    if file_sha256(checkpoint) != spec.checkpoint_sha256:
        say(f"{checkpoint} is not the file that the model was made from; comparing anyway")
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    expected = original_signal(network, inputs, threads=threads)
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


def original_signal(network: EpiGePT, inputs: Inputs, *, threads: int) -> NDArray[np.float32]:
    """Run the plain network in torch, one window and one sample at a time.

    Returns:
        float32, (windows, samples, bins, tracks).
    """
    torch.set_num_threads(threads)
    windows, samples = inputs.shape
    with torch.inference_mode():
        by_window = [
            torch.cat([_alone(network, inputs, window, sample) for sample in range(samples)], dim=1)
            for window in range(windows)
        ]
    signal: NDArray[np.float32] = torch.cat(by_window).numpy()
    return signal


def _alone(network: EpiGePT, inputs: Inputs, window: int, sample: int) -> torch.Tensor:
    """Run the network on one window and one sample."""
    one = inputs.part(slice(window, window + 1), slice(sample, sample + 1))
    rows = {**one.windows, **one.samples}
    signal: torch.Tensor = network(**{name: torch.from_numpy(np.asarray(values)) for name, values in rows.items()})
    return signal


def compare_file(
    model: Path,
    spec: Spec,
    inputs: Inputs,
    expected: NDArray[np.float32],
    device: Device,
    *,
    threads: int,
    say: Callable[[str], None],
) -> Verification:
    """Run a model file on check inputs, and compare it with the original network's signal for them."""
    session = open_session(model, device, precision=spec.precision, threads=threads, say=say)
    figures = compare_tracks(run_inputs(session, inputs), expected, spec.tracks)
    return Verification(tuple(figures), check_limit(spec.precision, session.arithmetic, session.provider))


def _digits(r: float) -> str:
    return f"{r:.7f}"
