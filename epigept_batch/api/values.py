"""Results of a prediction or a scan: values by bin, with their positions and names."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import InputError, OutputError
from epigept_batch.files import make_folder
from epigept_batch.names import can_be_file_name
from epigept_batch.provenance.run_record import DIFFERENCE, SampleFiles
from epigept_batch.tracks.bigwig import BigWigWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Span

FRAMES = ("polars", "pandas")


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of a genome, in genome order.

    Attributes:
        contigs: All contigs of the genome, in the FASTA's order.
        spans: Runs of bins [first, last), by contig.
        bin_bp: Size of a bin in base pairs.
    """

    contigs: tuple[Contig, ...]
    spans: Mapping[str, tuple[Span, ...]]
    bin_bp: int

    def runs(self) -> Iterator[tuple[Contig, int, int]]:
        """Yield contig, first bin and end bin of each run of bins."""
        for contig in self.contigs:
            for first, last in self.spans.get(contig.name, ()):
                yield contig, first, last

    def place(self, contig: Contig, bin_: int) -> int:
        """Return the index of a bin among all bins.

        Raises:
            KeyError: The bin is not among them.
        """
        spans = self.spans.get(contig.name, ())
        number = bisect_right(spans, bin_, key=itemgetter(0)) - 1
        if number < 0 or bin_ >= spans[number][1]:
            raise KeyError((contig.name, bin_))
        return self._before[contig.name][number] + bin_ - spans[number][0]

    @cached_property
    def _before(self) -> Mapping[str, Sequence[int]]:
        """How many bins precede each run, by contig."""
        before: dict[str, list[int]] = {}
        count = 0
        for contig, first, last in self.runs():
            before.setdefault(contig.name, []).append(count)
            count += last - first
        return before

    def __len__(self) -> int:
        return sum(last - first for _, first, last in self.runs())

    @property
    def contig(self) -> NDArray[np.str_]:
        """Contig name of each bin, (bins,)."""
        runs = list(self.runs())
        names = np.array([contig.name for contig, _, _ in runs], dtype=np.str_)
        return np.repeat(names, [last - first for _, first, last in runs])

    @property
    def start(self) -> NDArray[np.int64]:
        """First base of each bin, 0-based, (bins,)."""
        numbers = [np.arange(first, last, dtype=np.int64) for _, first, last in self.runs()]
        starts: NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *numbers]) * self.bin_bp
        return starts

    @property
    def end(self) -> NDArray[np.int64]:
        """End of each bin, exclusive, (bins,); the last bin of a contig ends at the contig's end."""
        lengths = [np.full(last - first, contig.length, dtype=np.int64) for contig, first, last in self.runs()]
        ends: NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *lengths])
        return np.minimum(self.start + self.bin_bp, ends, out=ends)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted tracks of samples.

    Attributes:
        values: float32, (samples, bins, tracks); NaN where a bin has no base.
        bins: The bins of the values.
        samples: Names of the samples.
        tracks: Names of the tracks.
        space: `log1p` where values are ln(1 + signal), else `linear`.
        notes: Notes on the genome, one sentence each.
        copies: Name of the unperturbed sample by the name of each perturbed copy; see `Expression.with_set`.
    """

    values: NDArray[np.float32]
    bins: Bins
    samples: tuple[str, ...]
    tracks: tuple[str, ...]
    space: str
    notes: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)

    def differences(self) -> Prediction:
        """Return each perturbed copy minus its sample, in the same space, as `genome --differences` writes them.

        Returns:
            A prediction of the copies alone, whose tracks are named such as `DNase.difference`.

        Raises:
            InputError: There is no copy, or a copy without its sample.
        """
        if not self.copies:
            raise InputError("no perturbed copy to subtract from; predict the result of expression.with_set('GATA1=0')")
        numbers = {name: number for number, name in enumerate(self.samples)}
        if alone := next((copy for copy, sample in self.copies.items() if not {copy, sample} <= set(numbers)), None):
            raise InputError(f"'{alone}' or its sample '{self.copies[alone]}' is missing; predict both together")
        rows = [self.values[numbers[copy]] - self.values[numbers[sample]] for copy, sample in self.copies.items()]
        names = tuple(f"{track}{DIFFERENCE}" for track in self.tracks)
        return Prediction(np.stack(rows), self.bins, tuple(self.copies), names, self.space, self.notes)

    def to_frame(self, kind: str = "polars") -> Any:  # noqa: ANN401 - of either library
        """Return a table with one row per sample and bin: sample, contig, start, end, and one column per track.

        Args:
            kind: `polars`, which this program requires anyway, or `pandas` if it is installed.

        Raises:
            InputError: The kind is neither, or pandas is not installed.
        """
        count = len(self.bins)
        columns = {
            "sample": np.repeat(np.array(self.samples, dtype=np.str_), count),
            **{name: np.tile(values, len(self.samples)) for name, values in places(self.bins).items()},
            **{track: self.values[..., number].ravel() for number, track in enumerate(self.tracks)},
        }
        return make_frame(columns, kind)

    def to_bigwig(self, folder: str | PathLike[str]) -> list[Path]:
        """Write SAMPLE.TRACK.bw for each sample and track, as `genome` does.

        The files get their final names once all are complete.

        Args:
            folder: Output folder; created if it does not exist.

        Returns:
            Their paths.

        Raises:
            InputError: A sample's name cannot be used in a file name.
            OutputError: The files cannot be written, or the folder has tracks of `genome`, whose record would no
                longer be true.
        """
        for sample in self.samples:
            if not can_be_file_name(sample):
                raise InputError(f"sample '{sample}' cannot be used in a file name; choose another name")
        of_samples = [SampleFiles(Path(folder), sample, self.tracks) for sample in self.samples]
        for record in (files.record for files in of_samples if files.record.exists()):
            raise OutputError("describes tracks that genome wrote to this folder; choose another folder", record)
        make_folder(Path(folder), option="another folder")
        with ExitStack() as stack:
            writers = []
            for files, values in zip(of_samples, self.values, strict=True):
                for path, of_track in zip(files.bigwigs, values.T, strict=True):
                    writers.append(BigWigWriter(path, self.bins.contigs, bin_bp=self.bins.bin_bp))
                    stack.callback(writers[-1].discard)
                    self._write(writers[-1], of_track)
            for writer in writers:
                writer.publish()
        return [writer.path for writer in writers]

    def _write(self, writer: BigWigWriter, values: NDArray[np.float32]) -> None:
        begin = 0
        for contig, first, last in self.bins.runs():
            of_run = values[begin : begin + last - first]
            edges = np.flatnonzero(np.diff(~np.isnan(of_run), prepend=False, append=False))
            for start, end in edges.reshape(-1, 2):
                writer.write(contig, first + int(start), of_run[start:end])
            begin += last - first
        writer.close()


@dataclass(frozen=True, eq=False)
class MotifScores:
    """Scores of the best motif hits of factors.

    Attributes:
        values: float16, (factors, bins): in nats, 0 without a hit.
        bins: The bins of the values.
        factors: Names of the factors.
    """

    values: NDArray[np.float16]
    bins: Bins
    factors: tuple[str, ...]

    def to_frame(self, kind: str = "polars") -> Any:  # noqa: ANN401 - of either library
        """Return a table with one row per bin: contig, start, end, and one column per factor.

        Args:
            kind: `polars`, or `pandas` if it is installed.

        Raises:
            InputError: The kind is neither, or pandas is not installed.
        """
        columns = {factor: self.values[number].astype(np.float32) for number, factor in enumerate(self.factors)}
        return make_frame({**places(self.bins), **columns}, kind)


def places(bins: Bins) -> dict[str, NDArray[Any]]:
    """Return the columns of a table with the positions of bins."""
    return {"contig": bins.contig, "start": bins.start, "end": bins.end}


def make_frame(columns: Mapping[str, NDArray[Any]], kind: str) -> Any:  # noqa: ANN401 - of either library
    """Return a table of columns of equal length.

    Raises:
        InputError: The kind is neither `polars` nor `pandas`, or pandas is not installed.
    """
    if kind not in FRAMES:
        raise InputError(f"unknown kind of table '{kind}'; use {_either(FRAMES)}")
    if kind == "polars":
        import polars as pl

        return pl.DataFrame(dict(columns))
    try:
        import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise InputError("pandas is not installed; install it, or use kind='polars'") from error
    return pd.DataFrame(dict(columns))


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)
