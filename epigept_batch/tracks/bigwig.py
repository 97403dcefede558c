"""Write runs of bins to a bigWig as they arrive.

On close, pyBigWig reads the whole file again to make zoom levels. That takes twice as long as writing the values, and
memory in proportion to the number of bins. Here each zoom level is built from the level below while values arrive. So a
file is finished soon after its last value, and a genome takes no more memory than a region (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import OutputError
from epigept_batch.files import publish, temporary_beside
from epigept_batch.tracks.bigwig_format import (
    HEADER_BYTES,
    MAGIC,
    SUMMARY_BYTES,
    ZOOM_BYTES,
    ZOOM_RECORD,
    BlockIndex,
    Summary,
    contig_tree,
    file_header,
    fixed_step,
    one_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

BLOCK_VALUES = 1024
"""Values or zoom records per block: the least that a viewer unpacks."""
LEVEL = 1  # of zlib: higher levels take twice as long and save nothing, because the last bits of floats are noise
PENDING_VALUES = 4 * BLOCK_VALUES  # written together, because a numpy call costs as much as 1,000 values
TRACK_BIN_BYTES = 6
"""Approximate bytes per bin on disk, with zoom levels: 5.2 for real sequence."""
PENDING_BYTES = 1 << 16  # at this size the file is opened, written and closed, so that many tracks need no open files
FIRST_ZOOM, ZOOM_STEP, MOST_ZOOMS = 16, 4, 10
"""Zoom levels: bins per record of the first level, records per record of the next level, and the most levels.

A viewer uses the coarsest level that still has one or two records per pixel. Below 16 bins per record, a screen of
1,000 pixels covers at most 32,000 bins in 32 blocks, which are read in a millisecond; a level of 4 bins would take
twice as much space as the values. With a step of 4, at most three records are wasted per record shown. pyBigWig makes
the same levels."""


class BigWigWriter:
    """Writes one track of one sample as a bigWig with fixed steps of one bin.

    The file has a hidden name until `publish` renames it; `discard` removes it.

    Args:
        path: The final name.
        contigs: All contigs of the FASTA, in its order, for the header.
        bin_bp: Base pairs per bin.
        temporary: A new file to write to; None to create one beside `path`.

    Raises:
        OutputError: The file cannot be written. Every method may raise it.
    """

    def __init__(self, path: Path, contigs: Sequence[Contig], *, bin_bp: int, temporary: Path | None = None) -> None:
        self.path = path
        self._temporary = temporary_beside(path) if temporary is None else temporary
        self._numbers = {contig: number for number, contig in enumerate(contigs)}
        self._bin_bp = bin_bp
        self._index, self._summary = BlockIndex(), Summary()
        longest = max(contig.length for contig in contigs)
        spans = [FIRST_ZOOM * ZOOM_STEP**number for number in range(MOST_ZOOMS)]
        kept = [bins for bins in spans if bins * bin_bp <= longest]
        self._zooms = [_Zoom(bins, bin_bp, self._append_block) for bins in kept]
        self._contig: Contig | None = None
        self._first, self._count = 0, 0
        self._pending: list[NDArray[np.float32]] = []
        self._closed = False
        self._tree_at = HEADER_BYTES + ZOOM_BYTES * len(kept) + SUMMARY_BYTES
        tree = contig_tree(contigs, self._tree_at)
        self._values_at = self._tree_at + len(tree)
        self._written, self._out = 0, bytearray(bytes(self._tree_at) + tree + bytes(8))

    @property
    def covered_bp(self) -> int:
        """Number of bases with a value in the closed file."""
        return self._summary.covered

    def write(self, contig: Contig, first_bin: int, values: NDArray[np.float32]) -> None:
        """Append successive bins; a contig's last bin ends where the contig ends.

        Args:
            contig: The contig; successive calls must follow the header's order.
            first_bin: The first bin, after those already written.
            values: float32, (bins,).
        """
        if contig != self._contig or first_bin != self._first + self._count:
            self._end_run(contig)
            self._first = first_bin
        self._pending.append(values)
        self._count += len(values)
        if self._count >= PENDING_VALUES:
            self._flush(self._count - self._count % BLOCK_VALUES)

    def write_known(self, contig: Contig, first_bin: int, values: NDArray[np.float32]) -> None:
        """Append successive bins, without those that are NaN, as `write` does."""
        known = np.isfinite(values)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
        for first, last in edges.reshape(-1, 2).tolist():
            self.write(contig, first_bin + first, values[first:last])

    def close(self) -> None:
        """Write pending values and the indexes."""
        if self._closed:
            return
        self._end_run(None)
        zooms = [(zoom.bins * self._bin_bp, *self._append_zoom_index(zoom)) for zoom in self._zooms]
        index = self._append(b"")
        self._append(self._index.pack(index, items_a_block=BLOCK_VALUES))
        self._append(MAGIC.to_bytes(4, "little"))
        self._store()
        header = file_header(
            zooms=zooms,
            tree=self._tree_at,
            values=self._values_at,
            index=index,
            summary=self._tree_at - SUMMARY_BYTES,
            block_bytes=ZOOM_RECORD.itemsize * BLOCK_VALUES,
        )
        self._put(0, header + self._summary.pack())
        self._put(self._values_at, len(self._index).to_bytes(8, "little"))
        self._closed = True

    def publish(self) -> None:
        """Give the closed file its final name."""
        publish(self._temporary, self.path)

    def discard(self) -> None:
        """Remove the file, unless it is published."""
        self._closed = True
        self._temporary.unlink(missing_ok=True)

    def _end_run(self, contig: Contig | None) -> None:
        """Write all pending values; if the contig changes or ends, its zoom levels too."""
        self._flush(self._count)
        if contig != self._contig:
            if self._contig is not None and self._zooms:
                self._add_to_zoom(0, np.empty((0, 6)), last=True)
            self._contig = contig

    def _flush(self, count: int) -> None:
        """Write the first `count` of the pending values."""
        if not count or self._contig is None:
            return
        values = np.concatenate(self._pending)
        self._pending, self._count = [values[count:]], self._count - count
        contig, first, values = self._contig, self._first, values[:count]
        self._first += count
        number = self._numbers[contig]
        whole = min(count, contig.length // self._bin_bp - first)  # a contig's last bin may be shorter
        for begin in range(0, whole, BLOCK_VALUES):
            part = values[begin : min(begin + BLOCK_VALUES, whole)]
            start = (first + begin) * self._bin_bp
            section = fixed_step(number, start, self._bin_bp, part)
            self._append_block(section, self._index, number, start, start + len(part) * self._bin_bp)
        if whole < count:
            start = (first + whole) * self._bin_bp
            section = one_interval(number, start, contig.length, float(values[-1]))
            self._append_block(section, self._index, number, start, contig.length)
        self._summarise(contig, first, values)

    def _summarise(self, contig: Contig, first: int, values: NDArray[np.float32]) -> None:
        """Add bins to the summary and the first zoom level."""
        bins = np.arange(first, first + len(values))
        wide = values.astype(np.float64)
        covered = np.minimum(contig.length - bins * self._bin_bp, self._bin_bp)
        table = np.stack([bins, covered, wide, wide, wide * covered, wide * wide * covered], axis=1)
        summary = self._summary
        summary.covered += int(covered.sum())
        summary.least, summary.most = min(summary.least, float(wide.min())), max(summary.most, float(wide.max()))
        summary.sum += float(table[:, 4].sum())
        summary.squares += float(table[:, 5].sum())
        if self._zooms:
            self._add_to_zoom(0, table, last=False)

    def _add_to_zoom(self, level: int, table: NDArray[np.float64], *, last: bool) -> None:
        """Add records to a level, and completed records to the levels above it."""
        contig = self._contig
        if contig is None or level == len(self._zooms):
            return
        done = self._zooms[level].add(table, self._numbers[contig], contig.length, last=last)
        if last or len(done):
            self._add_to_zoom(level + 1, done, last=last)

    def _append_block(self, section: bytes, index: BlockIndex, contig: int, start: int, end: int) -> None:
        packed = zlib.compress(section, LEVEL)
        index.add(contig, start, end, offset=self._append(packed), size=len(packed))

    def _append_zoom_index(self, zoom: _Zoom) -> tuple[int, int]:
        """Append a level's index; return the offsets that the header gives for its data and its index."""
        data = self._append(len(zoom.index).to_bytes(4, "little"))
        place = self._append(b"")
        self._append(zoom.index.pack(place, items_a_block=BLOCK_VALUES))
        return data, place

    def _append(self, content: bytes) -> int:
        """Append bytes and return their offset."""
        offset = self._written + len(self._out)
        self._out += content
        if len(self._out) >= PENDING_BYTES:
            self._store()
        return offset

    def _store(self) -> None:
        self._put(self._written, self._out)
        self._written += len(self._out)
        self._out = bytearray()

    def _put(self, offset: int, content: bytes | bytearray) -> None:
        try:
            with self._temporary.open("r+b") as file:
                file.seek(offset)
                file.write(content)
        except OSError as error:
            reason = error.strerror
            raise OutputError(
                f"cannot be written: {reason}; free some space or choose another --out", self.path
            ) from error


class _Zoom:
    """A zoom level: records as rows of number, bases covered, minimum, maximum, sum and sum of squares."""

    def __init__(self, bins: int, bin_bp: int, append: Callable[[bytes, BlockIndex, int, int, int], None]) -> None:
        self.bins = bins
        self.index = BlockIndex()
        self._record_bp = bins * bin_bp
        self._step = FIRST_ZOOM if bins == FIRST_ZOOM else ZOOM_STEP
        self._append = append
        self._pending = np.empty((0, 6))

    def add(self, table: NDArray[np.float64], contig: int, length: int, *, last: bool) -> NDArray[np.float64]:
        """Add records of the level below, write full blocks, and return their records; if `last`, write all."""
        numbered = table.copy()
        numbered[:, 0] //= self._step
        pending = _joined(np.concatenate([self._pending, numbered]))
        done = len(pending) if last else max(0, len(pending) - 1) // BLOCK_VALUES * BLOCK_VALUES
        for first in range(0, done, BLOCK_VALUES):
            self._write(pending[first : min(first + BLOCK_VALUES, done)], contig, length)
        self._pending = pending[done:].copy()
        return pending[:done]

    def _write(self, rows: NDArray[np.float64], contig: int, length: int) -> None:
        records = np.zeros(len(rows), dtype=ZOOM_RECORD)
        records["contig"] = contig
        records["start"] = rows[:, 0] * self._record_bp
        records["end"] = np.minimum((rows[:, 0] + 1) * self._record_bp, length)
        for column, name in enumerate(("covered", "least", "most", "sum", "squares"), 1):
            records[name] = rows[:, column]
        self._append(records.tobytes(), self.index, contig, int(records["start"][0]), int(records["end"][-1]))


def _joined(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merge successive rows with the same number."""
    if not len(rows):
        return rows
    edges = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
    joined = rows[edges]
    joined[:, 1] = np.add.reduceat(rows[:, 1], edges)
    joined[:, 2] = np.minimum.reduceat(rows[:, 2], edges)
    joined[:, 3] = np.maximum.reduceat(rows[:, 3], edges)
    joined[:, 4:] = np.add.reduceat(rows[:, 4:], edges, axis=0)
    return joined
