"""Measured tracks: bigWigs to bins; reads with pyBigWig."""

from __future__ import annotations

import math
import struct
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyBigWig

from epigept_batch.assemblies import MITOCHONDRIA, names_of
from epigept_batch.errors import InputError, reason
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


SEARCHED_STRETCHES = 1000
"""Parts of a contig that are searched for records one after the other, for all of them at once are many."""
HEADER = struct.Struct("=I4xQQQ32x")
"""Of 64 bytes the magic number and where the tree of contigs, the data and their index begin."""
SUMMARY_AT, SUMMARY = 44, struct.Struct("=Q3dd")
"""Where a header says where the summary is; of that bases with data, least, greatest, sum, and sum of squares."""
BIGWIG, BIGBED = 0x888FFC26, 0x8789F2EB
LARGEST_LOG1P = 80.0
"""A logarithm beyond which there is no such signal; exp(89) is no float32 either."""


class SignalTrack:
    """A bigWig, read bin by bin.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read or is no bigWig.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise InputError("there is no such bigWig", path)
        _check_header(path)
        try:
            self._file = pyBigWig.open(str(path))
        except RuntimeError as error:
            raise InputError("is no bigWig, or is cut short", path) from error
        self._may_hold_nan = not np.isfinite(_sum_of(path))

    @property
    def contigs(self) -> tuple[Contig, ...]:
        """Those of the header, in its order."""
        return tuple(Contig(name, length) for name, length in self._file.chroms().items())

    def check_genome(self, contigs: Sequence[Contig]) -> None:
        """See that it has any of a genome's contigs, under any name of theirs.

        Raises:
            InputError: It has none.
        """
        names = self._file.chroms()
        if not any(name in names for contig in contigs for name in names_of(contig)):
            ours, theirs = (next(iter(each), "none") for each in ([contig.name for contig in contigs], names))
            raise InputError(
                f"has no contig of the predicted track ({ours}, …), but {theirs}, …; give a track of the same genome",
                self.path,
            )

    def record_bp(self) -> int | None:
        """The commonest length of a record where the longest contig with data begins to have some; None without data.

        Of a file of bins, one as of `genome`, that is the bin.
        """
        for contig in sorted(self.contigs, key=lambda contig: -contig.length):
            step = max(1, contig.length // SEARCHED_STRETCHES)
            for start in range(0, contig.length, step):
                if records := self._file.intervals(contig.name, start, min(start + step, contig.length)):
                    lengths, counts = np.unique([last - first for first, last, _ in records], return_counts=True)
                    return int(lengths[counts.argmax()])
        return None

    def bins(
        self,
        contig: Contig,
        first: int,
        bins: int,
        *,
        bin_bp: int,
        zero_fill: bool = False,
        check: Callable[[NDArray[np.float32], int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Mean of each of successive bins over the bases that have data; NaN where none has, or beyond the contig.

        A base that the file has as NaN has no data. A bin of which any base is infinite is infinite.

        Args:
            contig: Of the genome; one that the file has under no name of it has no
                data.
            first: The first bin.
            bins: How many.
            bin_bp: Base pairs per bin.
            zero_fill: Take bases of which the file says nothing for a signal of 0, as in a pileup: then the mean is
                over all bases of the bin that the contig has, but those that the file has as NaN.
            check: Called with the values of the bases and the position of the first, before means are taken.

        Returns:
            float32, (bins,).

        Raises:
            InputError: The contig has another length in the file.
        """
        means = np.full(bins, np.nan, dtype=np.float32)
        start, end = first * bin_bp, min((first + bins) * bin_bp, contig.length)
        if start >= end:
            return means
        name = self._name(contig)
        if name is None:
            values = np.full(end - start, np.nan, dtype=np.float32)
        else:
            try:
                values = self._file.values(name, start, end, numpy=True)
            except RuntimeError as error:
                raise InputError(f"{name}:{start + 1}-{end} cannot be read; the file is damaged", self.path) from error
        if check is not None:
            check(values, start)
        if zero_fill:
            values[self._unsaid(values, name, start)] = 0
        whole = (end - start) // bin_bp
        means[:whole] = _means(values[: whole * bin_bp].reshape(whole, bin_bp))
        if whole * bin_bp < end - start:
            means[whole] = _means(values[None, whole * bin_bp :])[0]
        return means

    def _unsaid(self, values: NDArray[np.float32], name: str | None, start: int) -> NDArray[np.bool_]:
        """Bases of which the file says nothing, not even that they are no number, bool, (bases,)."""
        unsaid = np.isnan(values)
        if self._may_hold_nan and name is not None:
            for first, last, value in self._file.intervals(name, start, start + len(values)) or ():
                if np.isnan(value):
                    unsaid[max(first - start, 0) : last - start] = False
        return unsaid

    def _name(self, contig: Contig) -> str | None:
        """What the file calls a contig, None if it does not have it."""
        lengths = {name: length for name in names_of(contig) if (length := self._file.chroms(name)) is not None}
        for name, length in lengths.items():
            if length == contig.length:
                return name
        own = {name: length for name, length in lengths.items() if not _is_another_mitochondrion(name, contig)}
        for name, length in own.items():
            raise InputError(
                f"has {name} with {length:,} bp, the genome {contig.length:,}; give tracks of this genome", self.path
            )
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check_header(path: Path) -> None:
    """Refuse what can be no bigWig before the library opens it, which would add lines of its own to ours."""
    try:
        with path.open("rb") as stream:
            head, size = stream.read(HEADER.size), path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error
    magic, *offsets = HEADER.unpack(head.ljust(HEADER.size, b"\0"))
    if magic == BIGBED:
        raise InputError("is a bigBed; give a bigWig", path)
    if magic == int.from_bytes(BIGWIG.to_bytes(4, "little"), "big"):
        raise InputError(
            "is a bigWig of the other byte order, which is not read; write it anew by UCSC's bigWigToBedGraph and "
            "bedGraphToBigWig",
            path,
        )
    if magic != BIGWIG:
        raise InputError("is no bigWig, or is cut short", path)
    if max(offsets) >= size:
        raise InputError(f"is cut short: its index begins at byte {max(offsets):,} of {size:,}; copy it again", path)


def _is_another_mitochondrion(name: str, contig: Contig) -> bool:
    """Whether a name may stand for another sequence: hg19's chrM is not the MT of GRCh37, in which all else agrees."""
    bare = contig.name.removeprefix("chr")
    return f"chr{name.removeprefix('chr')}" in MITOCHONDRIA and name.removeprefix("chr") != bare


def _sum_of(path: Path) -> float:
    """The sum of all values, as a file's summary has it; NaN without one.

    Read here, for the library's `header` ends the process where a sum is infinite.
    """
    with path.open("rb") as stream:
        stream.seek(SUMMARY_AT)
        offset = int.from_bytes(stream.read(8), sys.byteorder)
        stream.seek(min(offset, path.stat().st_size))
        summary = stream.read(SUMMARY.size)
    if not offset or len(summary) < SUMMARY.size:
        return math.nan
    total: float = SUMMARY.unpack(summary)[3]
    return total


class BinnedTrack:
    """A bigWig as bins in one space.

    Args:
        track: The file.
        bin_bp: Base pairs per bin.
        space: What it holds: `linear` signal, or `log1p` of it.
        wanted: What is wanted of it, likewise.
        zero_fill: As `SignalTrack.bins` takes it.
        finite: Refuse infinite values, which are read as they are otherwise.
        otherwise: What to do where it holds the signal and is taken for its logarithm, for the message.
    """

    def __init__(
        self,
        track: SignalTrack,
        *,
        bin_bp: int,
        space: str,
        wanted: str,
        zero_fill: bool = False,
        finite: bool = False,
        otherwise: str = "say so by --measured-space linear or --predicted-space linear",
    ) -> None:
        self._track = track
        self._bin_bp = bin_bp
        self._space, self._wanted = space, wanted
        self._zero_fill = zero_fill
        self._finite, self._otherwise = finite, otherwise

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Successive bins, float32, (bins,), NaN without data and beyond the contig, infinite where any base is.

        Raises:
            InputError: A value is below 0, can be no logarithm, or is infinite and must not be; or the contig has
                another length in the file.
        """
        values = self._track.bins(
            contig,
            first,
            bins,
            bin_bp=self._bin_bp,
            zero_fill=self._zero_fill,
            check=lambda bases, start: self._check(bases, contig, start),
        )
        if self._space == self._wanted:
            return values
        changed: NDArray[np.float32] = np.log1p(values) if self._wanted == "log1p" else np.expm1(values)
        return changed

    def _check(self, values: NDArray[np.float32], contig: Contig, start: int) -> None:
        """Refuse what can be neither signal nor, where that is said, its logarithm, in any base: means hide it."""

        def place(wrong: NDArray[np.bool_]) -> str:
            return f"{contig.name}:{start + int(wrong.argmax()) + 1}"

        if (below := values < 0).any():
            raise InputError(
                f"has values below 0, as at {place(below)}; give signal, such as coverage or fold change, not the "
                "logarithm of a ratio",
                self._track.path,
            )
        if self._finite and (infinite := np.isinf(values)).any():
            raise InputError(
                f"has an infinite value, as at {place(infinite)}; signal is finite, so make this track again",
                self._track.path,
            )
        if self._space == "log1p" and (large := (values > LARGEST_LOG1P) & np.isfinite(values)).any():
            raise InputError(
                f"is taken for ln(1 + signal) and has {values[large.argmax()]:,.0f} at {place(large)}; where it holds "
                f"the signal itself, {self._otherwise}",
                self._track.path,
            )


def _means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each row over what is not NaN, NaN where all is, infinite where any is."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums: NDArray[np.float32] = values.sum(axis=1)
    means: NDArray[np.float32] = sums / np.float32(values.shape[1])
    partial = np.flatnonzero(np.isnan(sums))
    if len(partial):
        rows = values[partial]
        count = (~np.isnan(rows)).sum(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            means[partial] = np.where(np.isnan(rows), 0, rows).sum(axis=1) / count
    has_infinite = np.isinf(values).any(axis=1)
    means[has_infinite] = np.inf  # of both signs the sum would be no number
    overflown = np.isinf(means) & ~has_infinite
    if overflown.any():
        means[overflown] = np.nanmean(values[overflown], axis=1, dtype=np.float64)
    return means
