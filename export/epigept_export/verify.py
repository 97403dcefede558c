"""The original network in torch against a model file."""

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
    """How near a model file comes to the original network.

    Attributes:
        tracks: Figures of each track.
        limit: What the file's precision allows, and the device's arithmetic.
    """

    tracks: tuple[TrackFigures, ...]
    limit: Limit

    @property
    def missed(self) -> list[TrackFigures]:
        """The tracks that are not within the limit."""
        return [figures for figures in self.tracks if not figures.within(self.limit)]

    def check(self, model: Path, *, advice: str) -> None:
        """See that every track is within the limit; `advice` is what to do otherwise.

        Raises:
            VerificationError: One is not.
        """
        missed = self.missed
        if missed:
            others = f"; so are {', '.join(figures.track for figures in missed[1:])}" if missed[1:] else ""
            raise VerificationError(
                f"is not the checkpoint's network within the limits of its precision: {missed[0].track} is off by "
                f"{missed[0].error:.2g} (at most {self.limit.error:g}) with r {missed[0].r:.6f} (at least "
                f"{self.limit.r:g}){others}; {advice}",
                model,
            )

    def table(self) -> str:
        """Figures beside limits, a line a track."""
        width = max(len(figures.track) for figures in self.tracks)
        lines = [f"{'':{width}}  max abs error  {'least r':>9}"]
        lines += [f"{f.track:{width}}  {f.error:13.2e}  {_digits(f.r)}" for f in self.tracks]
        return "\n".join([*lines, f"{'limit':{width}}  {self.limit.error:13.2e}  {_digits(self.limit.r)}"])


class VerificationError(EpiGePTError):
    """A model file that is not the network it was made from; exit code 1."""


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
        checkpoint: What it was made from.
        device: Where the file runs; torch runs on the CPU.
        threads: How many the CPU may use.
        say: Takes a sentence for the user.
        architecture: The network's; by default the one that the file names, or that the checkpoint carries.

    Raises:
        EpiGePTError: What the user can mend, in one line; a miss is none.
    """
    spec = read_spec(model)
    if architecture is None and spec.architecture != TRAINED:
        if spec.architecture not in ARCHITECTURES:
            raise ModelError(f"has the architecture '{spec.architecture}', which this version does not know", model)
        architecture = with_factors(ARCHITECTURES[spec.architecture], len(spec.factors))
    network = load_network(checkpoint, architecture)
    _check_sizes(network.architecture, spec, checkpoint)
    if file_sha256(checkpoint) != spec.checkpoint_sha256:
        say(f"{checkpoint} is another file than the model was made from; comparing all the same")
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    expected = original_signal(network, inputs, threads=threads)
    return compare_file(model, spec, inputs, expected, device, threads=threads, say=say)


def _check_sizes(architecture: Architecture, spec: Spec, checkpoint: Path) -> None:
    """See that a checkpoint's network reads and gives what a model file does.

    Raises:
        ModelError: It is of another network.
    """
    theirs = (architecture.geometry.bins, architecture.geometry.bin_bp, architecture.factors, len(architecture.tracks))
    ours = (spec.geometry.bins, spec.geometry.bin_bp, len(spec.factors), len(spec.tracks))
    if theirs != ours:
        words = [
            f"{bins * bin_bp:,} bp, {factors:,} factors and {tracks} tracks"
            for bins, bin_bp, factors, tracks in (theirs, ours)
        ]
        raise ModelError(
            f"is of another network than the model file: {words[0]}, not {words[1]}; give what the model was made from",
            checkpoint,
        )


def original_signal(network: EpiGePT, inputs: Inputs, *, threads: int) -> NDArray[np.float32]:
    """What the plain network gives in torch, one window and one sample at a time.

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
    """What the network gives for one window and one sample."""
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
    """Run a model file on check inputs and compare with what the original network gives for them."""
    session = open_session(model, device, precision=spec.precision, threads=threads, say=say)
    figures = compare_tracks(run_inputs(session, inputs), expected, spec.tracks)
    return Verification(tuple(figures), check_limit(spec.precision, session.arithmetic, session.provider))


def _digits(r: float) -> str:
    return f"{r:.7f}"
