"""Read measured tracks as bins from bigWigs, with pyBigWig."""

from __future__ import annotations

import math
import struct
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyBigWig

from epigept_batch.assemblies import name_in, names_of
from epigept_batch.errors import InputError, reason
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


SEARCHED_STRETCHES = 1000
"""Number of parts in which a contig is searched for records, because all records at once take much memory."""
HEADER = struct.Struct("=I4xQQQ32x")
"""From the 64-byte header: the magic number and the offsets of the contig tree, the data and the index."""
SUMMARY_AT, SUMMARY = 44, struct.Struct("=Q3dd")
"""Where the header stores the summary's offset; and its fields: bases with data, minimum, maximum, sum, squares."""
BIGWIG, BIGBED = 0x888FFC26, 0x8789F2EB
LARGEST_LOG1P = 80.0
"""Largest plausible ln(1 + signal); exp(89) exceeds float32."""


class SignalTrack:
    """A bigWig, read bin by bin.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read or is not a bigWig.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise InputError("bigWig not found", path)
        check_header(path)
        try:
            self._file = pyBigWig.open(str(path))
        except RuntimeError as error:
            raise InputError("not a bigWig, or truncated", path) from error
        self._may_hold_nan = not np.isfinite(_summary_of(path)[3])

    @property
    def contigs(self) -> tuple[Contig, ...]:
        """The contigs of the header, in its order."""
        return tuple(Contig(name, length) for name, length in self._file.chroms().items())

    def check_genome(self, contigs: Sequence[Contig]) -> None:
        """Check that the file has any of a genome's contigs, under any of their names.

        Raises:
            InputError: It has none of them.
        """
        names = self._file.chroms()
        if not any(name in names for contig in contigs for name in names_of(contig)):
            ours, theirs = (next(iter(each), "none") for each in ([contig.name for contig in contigs], names))
            raise InputError(
                f"no contig in common with the predicted track: {theirs}, … instead of {ours}, …; "
                "use a track of the same genome",
                self.path,
            )

    def record_bp(self) -> int | None:
        """Return the most common record length at the start of the data on the longest contig with data; None without.

        In a binned file, such as those of `genome`, that is the bin size.
        """
        for contig in sorted(self.contigs, key=lambda contig: -contig.length):
            step = max(1, contig.length // SEARCHED_STRETCHES)
            for start in range(0, contig.length, step):
                if records := self._file.intervals(contig.name, start, min(start + step, contig.length)):
                    lengths, counts = np.unique([last - first for first, last, _ in records], return_counts=True)
                    return int(lengths[counts.argmax()])
        return None

    def first_data(self, contig: str, start: int, end: int) -> int | None:
        """Return where the first record within [start, end) of a contig begins; None if there is none.

        Args:
            contig: The file's name of it.
            start: First bp, 0-based.
            end: End, exclusive.
        """
        step = max(1, (end - start) // SEARCHED_STRETCHES)
        for first in range(start, end, step):
            if records := self._file.intervals(contig, first, min(first + step, end)):
                return max(int(records[0][0]), start)
        return None

    def extremes(self) -> tuple[float, float]:
        """Return the minimum and the maximum of all values, from the file's summary; 0 without data."""
        covered, least, most, _, _ = _summary_of(self.path)
        return (least, most) if covered else (0.0, 0.0)

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
        """Return the mean of each bin over its bases with data; NaN if none has data, or beyond the contig.

        A base with the value NaN has no data. A bin with an infinite base is infinite.

        Args:
            contig: A contig of the genome. It has no data if the file has it under none of its names.
            first: The first bin.
            bins: Number of bins.
            bin_bp: Base pairs per bin.
            zero_fill: Treat bases without a record as signal 0, as in a pileup. The mean is then over all bases of the
                bin within the contig, except those with the value NaN.
            check: Called with the values of the bases and the position of the first, before averaging.

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
                raise InputError(
                    f"{name}:{start + 1}-{end} cannot be read, because the file is damaged; copy or download it again",
                    self.path,
                ) from error
            if not len(values):  # the library's answer for a file without any record
                values = np.full(end - start, np.nan, dtype=np.float32)
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
        """Find bases without a record, not even one with the value NaN, bool, (bases,)."""
        unsaid = np.isnan(values)
        if self._may_hold_nan and name is not None:
            for first, last, value in self._file.intervals(name, start, start + len(values)) or ():
                if np.isnan(value):
                    unsaid[max(first - start, 0) : last - start] = False
        return unsaid

    def _name(self, contig: Contig) -> str | None:
        """Return the file's name of a contig; None if the file does not have it."""
        try:
            return name_in(self._file.chroms(), contig)
        except ValueError as error:
            raise InputError(f"{error}; use tracks of this genome", self.path) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def check_header(path: Path) -> None:
    """Refuse files that cannot be bigWigs before the library opens them, because it would print its own messages."""
    try:
        with path.open("rb") as stream:
            head, size = stream.read(HEADER.size), path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error
    magic, *offsets = HEADER.unpack(head.ljust(HEADER.size, b"\0"))
    if magic == BIGBED:
        raise InputError("is a bigBed; use a bigWig", path)
    if magic == int.from_bytes(BIGWIG.to_bytes(4, "little"), "big"):
        raise InputError(
            "bigWig with the other byte order, which is not supported; convert it with UCSC's bigWigToBedGraph and "
            "bedGraphToBigWig",
            path,
        )
    if magic != BIGWIG:
        raise InputError("not a bigWig, or truncated", path)
    if max(offsets) >= size:
        raise InputError(f"truncated: its index begins at byte {max(offsets):,} of {size:,}; copy it again", path)


def _summary_of(path: Path) -> tuple[int, float, float, float, float]:
    """Return bases with data, minimum, maximum, sum and sum of squares of all values; 0 and NaN without a summary.

    They are read here because the library's `header` crashes the process if the sum is infinite.
    """
    with path.open("rb") as stream:
        stream.seek(SUMMARY_AT)
        offset = int.from_bytes(stream.read(8), sys.byteorder)
        stream.seek(min(offset, path.stat().st_size))
        summary = stream.read(SUMMARY.size)
    if not offset or len(summary) < SUMMARY.size:
        return 0, math.nan, math.nan, math.nan, math.nan
    found: tuple[int, float, float, float, float] = SUMMARY.unpack(summary)
    return found


class BinnedTrack:
    """Reads a bigWig as bins in a given space.

    Args:
        track: The file.
        bin_bp: Base pairs per bin.
        space: What the file holds: `linear` signal, or `log1p` of it.
        wanted: What to return: `linear` or `log1p`.
        zero_fill: As in `SignalTrack.bins`.
        finite: Whether to refuse infinite values instead of returning them.
        otherwise: For the message: what to do if the file holds the signal but is treated as its logarithm.
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
        otherwise: str = "add --measured-space linear or --predicted-space linear",
    ) -> None:
        self._track = track
        self._bin_bp = bin_bp
        self._space, self._wanted = space, wanted
        self._zero_fill = zero_fill
        self._finite, self._otherwise = finite, otherwise

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Return successive bins, float32, (bins,): NaN without data or beyond the contig, infinite if any base is.

        Raises:
            InputError: A value is below 0, too large for a logarithm, or infinite where that is refused; or the contig
                has another length in the file.
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
        """Refuse impossible values of signal or of its logarithm; checked per base, because means would hide them."""

        def place(wrong: NDArray[np.bool_]) -> str:
            return f"{contig.name}:{start + int(wrong.argmax()) + 1}"

        if (below := values < 0).any():
            raise InputError(
                f"values below 0, for example at {place(below)}; use signal, such as coverage or fold change, not the "
                "logarithm of a ratio",
                self._track.path,
            )
        if self._finite and (infinite := np.isinf(values)).any():
            raise InputError(
                f"infinite value, for example at {place(infinite)}; signal must be finite, so make this track again",
                self._track.path,
            )
        if self._space == "log1p" and (large := (values > LARGEST_LOG1P) & np.isfinite(values)).any():
            raise InputError(
                f"treated as ln(1 + signal), but has {values[large.argmax()]:,.0f} at {place(large)}; if it holds the "
                f"signal itself, {self._otherwise}",
                self._track.path,
            )


def _means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average each row without NaN: NaN if all values are NaN, infinite if any is infinite."""
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
    means[has_infinite] = np.inf  # with both signs, the sum would be NaN
    overflown = np.isinf(means) & ~has_infinite
    if overflown.any():
        means[overflown] = np.nanmean(values[overflown], axis=1, dtype=np.float64)
    return means
