"""Write intervals that do not overlap as a bigBed, with the names of their columns and with zoom levels.

pybigtools can write bigBeds, but not the autoSql by which browsers know that the fields are those of peaks.
"""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from epigept_batch.tracks.bigwig_format import (
    HEADER_BYTES,
    SUMMARY_BYTES,
    ZOOM_BYTES,
    ZOOM_RECORD,
    BlockIndex,
    Summary,
    contig_tree,
    file_header,
)
from epigept_batch.tracks.signal import BIGBED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

BLOCK_ITEMS = 512
"""Intervals per block."""
ZOOM_ITEMS = 1024
"""Records per block of a zoom level."""
STANDARD_FIELDS = 6
"""Fields that have their meaning from BED: up to the strand."""
FIRST_ZOOM, ZOOM_STEP, MOST_ZOOMS = 10, 4, 10
"""Zoom levels, as in UCSC's bedToBigBed: mean lengths of an interval per record of the first level, and records per
record of the next one."""


def write_bigbed(path: Path, contigs: Sequence[Contig], lines: Iterable[Sequence[str]], autosql: str) -> None:
    """Write lines of BED with further fields as a bigBed.

    Args:
        path: The file, which is overwritten.
        contigs: All contigs of the genome.
        lines: The fields of each line, from the contig's name on, in the order of `contigs` and of their starts. They
            do not overlap. The first six are those of BED.
        autosql: Describes the fields.
    """
    numbers = {contig.name: number for number, contig in enumerate(contigs)}
    rows = [(numbers[line[0]], int(line[1]), int(line[2]), "\t".join(line[3:])) for line in lines]
    places = np.array([row[:3] for row in rows], dtype=np.int64).reshape(-1, 3)
    levels = _levels(places, max(contig.length for contig in contigs))
    sql = autosql.encode() + b"\0"
    sql_at = HEADER_BYTES + ZOOM_BYTES * len(levels)
    summary_at = sql_at + len(sql)
    tree_at = summary_at + SUMMARY_BYTES
    with path.open("wb") as file:
        file.write(bytes(sql_at) + sql + bytes(SUMMARY_BYTES) + contig_tree(contigs, tree_at))
        data_at = file.tell()
        file.write(len(rows).to_bytes(8, "little"))
        index, largest = BlockIndex(), ZOOM_RECORD.itemsize * ZOOM_ITEMS
        for first, last in _blocks(places[:, 0], BLOCK_ITEMS):
            section = b"".join(_item(*row) for row in rows[first:last])
            largest = max(largest, len(section))
            _write_block(file, index, section, places[first:last])
        index_at = file.tell()
        file.write(index.pack(index_at, items_a_block=BLOCK_ITEMS))
        zooms = [(level, *_write_zoom(file, _zoomed(places, level))) for level in levels]
        file.write(BIGBED.to_bytes(4, "little"))
        file.seek(0)
        file.write(
            file_header(
                zooms=zooms,
                tree=tree_at,
                values=data_at,
                index=index_at,
                summary=summary_at,
                block_bytes=largest,
                magic=BIGBED,
                fields=(autosql.count(";"), STANDARD_FIELDS),
                sql=sql_at,
            )
        )
        file.seek(summary_at)
        covered = int((places[:, 2] - places[:, 1]).sum())
        file.write(Summary(covered, 1.0, 1.0, float(covered), float(covered)).pack())


def _item(contig: int, start: int, end: int, rest: str) -> bytes:
    return struct.pack("<III", contig, start, end) + rest.encode() + b"\0"


def _blocks(contigs: NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Return [first, last) of rows of one contig each, at most so many."""
    edges = [0, *(np.flatnonzero(np.diff(contigs)) + 1).tolist(), len(contigs)]
    return [(at, min(at + most, last)) for first, last in pairwise(edges) for at in range(first, last, most)]


def _write_block(file: BinaryIO, index: BlockIndex, section: bytes, places: NDArray[np.int64]) -> None:
    """Write the items of a block, whose places are int64, (items, 3): contig, start, end."""
    packed = zlib.compress(section)
    (contig, start, _), (_, _, end) = places[0].tolist(), places[-1].tolist()
    index.add(contig, start, end, offset=file.tell(), size=len(packed))
    file.write(packed)


def _levels(places: NDArray[np.int64], longest: int) -> list[int]:
    """Return the base pairs per record of each zoom level."""
    if not len(places):
        return []
    first = max(1, int((places[:, 2] - places[:, 1]).mean() * FIRST_ZOOM))
    return [level for level in (first * ZOOM_STEP**number for number in range(MOST_ZOOMS)) if level <= longest]


def _zoomed(places: NDArray[np.int64], level: int) -> NDArray[np.void]:
    """Return the records of a zoom level: how many bases of each stretch of `level` base pairs intervals cover."""
    contigs, starts, ends = places.T
    firsts = starts // level
    counts = (ends - 1) // level - firsts + 1
    of = np.repeat(np.arange(len(places)), counts)
    stretch = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts) + firsts[of]
    covered = np.minimum(ends[of], (stretch + 1) * level) - np.maximum(starts[of], stretch * level)
    new = np.flatnonzero(np.diff(contigs[of], prepend=-1) | np.diff(stretch, prepend=-1))
    records = np.zeros(len(new), dtype=ZOOM_RECORD)
    records["contig"] = contigs[of][new]
    records["start"] = np.maximum(starts[of], stretch * level)[new]
    records["end"] = np.minimum(ends[of], (stretch + 1) * level)[np.append(new[1:], len(of)) - 1]
    records["covered"] = np.add.reduceat(covered, new)
    records["least"] = records["most"] = 1
    records["sum"] = records["squares"] = records["covered"]
    return records


def _write_zoom(file: BinaryIO, records: NDArray[np.void]) -> tuple[int, int]:
    """Write a zoom level; return the offsets of its records and of its index."""
    at = file.tell()
    file.write(len(records).to_bytes(4, "little"))
    index = BlockIndex()
    places = np.stack([records[name].astype(np.int64) for name in ("contig", "start", "end")], axis=1)
    for first, last in _blocks(places[:, 0], ZOOM_ITEMS):
        _write_block(file, index, records[first:last].tobytes(), places[first:last])
    index_at = file.tell()
    file.write(index.pack(index_at, items_a_block=ZOOM_ITEMS))
    return at, index_at
