"""Read the records of a bigWig as arrays.

pyBigWig returns a value per base, or records as tuples. Of bins over whole chromosomes, reading the records themselves
takes a thirtieth of that time (benchmarks/RESULTS.md). The format is that of `bigwig_format`.
"""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from epigept_batch.assemblies import name_in
from epigept_batch.errors import InputError, reason
from epigept_batch.tracks.bigwig_format import (
    BED_GRAPH,
    FIXED_STEP,
    INDEX_HEADER_BYTES,
    INDEX_MAGIC,
    ITEM,
    LEAF_ITEM,
    MOST_ITEMS,
    NODE_BYTES,
    TREE_HEADER_BYTES,
    TREE_MAGIC,
)
from epigept_batch.tracks.signal import check_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

HEADER = struct.Struct("<IHHQQQHHQQIQ")
TREE_HEADER = struct.Struct("<IIIIQQ")
NODE = struct.Struct("<BBH")
SECTION = struct.Struct("<IIIIIBBH")
VARIABLE_STEP = 2
STEP_RECORD = np.dtype([("start", "<u4"), ("value", "<f4")])
GRAPH_RECORD = np.dtype([("start", "<u4"), ("end", "<u4"), ("value", "<f4")])
LARGEST_SECTION = SECTION.size + MOST_ITEMS * GRAPH_RECORD.itemsize
LONGEST_NAME = 4096
BLOCKS_AT_ONCE = 256
"""Blocks of records that are returned together: 262,144 bins of a track of `genome`."""


@dataclass(frozen=True, eq=False)
class Records:
    """Records of a contig in order, without those whose value is NaN.

    Attributes:
        starts: int64, (records,): first bp of each, 0-based.
        ends: int64, (records,): end of each, exclusive; no record begins before the end of the one before it.
        values: float32, or float64 where they were computed, (records,).
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    values: NDArray[np.floating]


class TrackRecords:
    """The records of a bigWig; a context manager that closes the file.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read, is not a bigWig, or is damaged. Every method may raise it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise InputError("bigWig not found", path)
        check_header(path)
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise InputError(f"cannot be read: {reason(error)}", path) from error
        self._bytes = os.fstat(self._file.fileno()).st_size
        try:
            with self._damage():
                head = HEADER.unpack(self._read(0, HEADER.size))
                self._is_packed = head[10] > 0
                self._contigs = dict(self._read_contigs(head[3]))
                self._blocks = self._read_index(head[5])
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, contig: Contig, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[Records]:
        """Yield the records of all blocks that overlap intervals, so also records beside them.

        Args:
            contig: A contig of the genome. It has no records if the file has it under none of its names.
            starts: int64, (intervals,): their first bp, 0-based, ascending.
            ends: int64, (intervals,): their ends, exclusive; the intervals do not overlap.

        Raises:
            InputError: The contig has another length in the file, or the file is damaged.
        """
        lengths = {name: length for name, (_, length) in self._contigs.items()}
        try:
            name = name_in(lengths, contig)
        except ValueError as error:
            raise InputError(f"{error}; use tracks of this genome", self._path) from error
        if name is None:
            return
        number = self._contigs[name][0]
        blocks = self._blocks[self._blocks["bounds"][:, 0] == number]
        first, last = blocks["bounds"][:, 1], blocks["bounds"][:, 3]
        nearest = np.searchsorted(ends, first, side="right")  # the first interval that ends behind a block's start
        reached = nearest < len(ends)
        reached[reached] &= starts[nearest[reached]] < last[reached]
        wanted, before = blocks[reached], 0
        for at in range(0, len(wanted), BLOCKS_AT_ONCE):
            with self._damage():
                found = self._decode(wanted[at : at + BLOCKS_AT_ONCE], number, before)
            if len(found.starts):
                before = int(found.ends[-1])
                yield found

    def _decode(self, blocks: NDArray[np.void], number: int, before: int) -> Records:
        """Return the records of blocks of a contig."""
        places = zip(blocks["offset"].tolist(), blocks["size"].tolist(), strict=True)
        parts = [_section(self._unpacked(offset, size), number) for offset, size in places]
        starts, ends, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        if len(starts) and (starts[0] < before or (starts[1:] < ends[:-1]).any() or (ends <= starts).any()):
            raise ValueError
        known = ~np.isnan(values)
        if not known.all():
            starts, ends, values = starts[known], ends[known], values[known]
        return Records(starts, ends, values)

    def _unpacked(self, offset: int, size: int) -> bytes:
        content = self._read(offset, size)
        return zlib.decompressobj().decompress(content, LARGEST_SECTION) if self._is_packed else content

    def _read_contigs(self, offset: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield names of contigs with their numbers and lengths."""
        magic, _, key, _, _, _ = TREE_HEADER.unpack(self._read(offset, TREE_HEADER.size))
        if magic != TREE_MAGIC or key > LONGEST_NAME:
            raise ValueError
        item = np.dtype([("name", f"S{key}"), ("child", "<u8")])
        leaf = np.dtype([("name", f"S{key}"), ("number", "<u4"), ("length", "<u4")])
        for items in self._leaves(offset + TREE_HEADER_BYTES, item, leaf):
            for name, number, length in items.tolist():
                yield name.decode(), (number, length)

    def _read_index(self, offset: int) -> NDArray[np.void]:
        """Return where blocks are, in the order of contigs and positions."""
        (magic,) = struct.unpack("<I", self._read(offset, 4))
        if magic != INDEX_MAGIC:
            raise ValueError
        leaves = list(self._leaves(offset + INDEX_HEADER_BYTES, ITEM, LEAF_ITEM))
        blocks = np.concatenate([np.empty(0, dtype=LEAF_ITEM), *leaves])
        return blocks[np.lexsort((blocks["bounds"][:, 1], blocks["bounds"][:, 0]))]

    def _leaves(self, root: int, item: np.dtype[np.void], leaf: np.dtype[np.void]) -> Iterator[NDArray[np.void]]:
        """Yield the items of all leaves of a tree, whose other items have offsets of children in their last field."""
        waiting, left = [root], self._bytes
        while waiting:
            offset = waiting.pop()
            is_leaf, _, count = NODE.unpack(self._read(offset, NODE.size))
            kind = leaf if is_leaf else item
            left -= NODE_BYTES + count * kind.itemsize
            if left < 0:  # nodes that overlap, or that contain themselves
                raise ValueError
            items = np.frombuffer(self._read(offset + NODE_BYTES, count * kind.itemsize), dtype=kind)
            if is_leaf:
                yield items
            else:
                names = item.names or ()
                waiting += items[names[-1]].tolist()[::-1]

    def _read(self, offset: int, size: int) -> bytes:
        """Return bytes of the file, all of them."""
        if offset + size > self._bytes:
            raise ValueError
        content = os.pread(self._file.fileno(), size, offset)
        if len(content) < size:
            raise ValueError
        return content

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Report what cannot be decoded."""
        try:
            yield
        except OSError as error:
            raise InputError(f"cannot be read: {reason(error)}", self._path) from error
        except (ValueError, struct.error, zlib.error) as error:
            raise InputError("damaged; copy it again, or rerun the command that made it", self._path) from error


def _section(content: bytes, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return starts, ends and values of a block.

    Raises:
        ValueError: It is of another contig, or of no known kind.
    """
    contig, start, _, step, span, kind, _, count = SECTION.unpack_from(content)
    if contig != number:
        raise ValueError
    if kind == FIXED_STEP:
        starts = start + step * np.arange(count, dtype=np.int64)
        return starts, starts + span, np.frombuffer(content, "<f4", count, SECTION.size)
    if kind == VARIABLE_STEP:
        steps = np.frombuffer(content, STEP_RECORD, count, SECTION.size)
        starts = steps["start"].astype(np.int64)
        return starts, starts + span, steps["value"]
    if kind != BED_GRAPH:
        raise ValueError
    graph = np.frombuffer(content, GRAPH_RECORD, count, SECTION.size)
    return graph["start"].astype(np.int64), graph["end"].astype(np.int64), graph["value"]
