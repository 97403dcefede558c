"""Encode the parts of a bigWig file (Kent et al., Bioinformatics 26:2204, supplement; little-endian).

A file has a header, the names of the contigs, blocks of values, and an index to find the blocks of a region. Zoom
levels have blocks and an index of their own. An index stores every block's offset, so blocks of all kinds may be
written in any order.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

MAGIC, TREE_MAGIC, INDEX_MAGIC = 0x888FFC26, 0x78CA8C91, 0x2468ACE0
VERSION = 4
FAN, MOST_ITEMS = 256, 65_535  # children of a node: the usual number, and the most possible
BED_GRAPH, FIXED_STEP = 1, 3
HEADER_BYTES, ZOOM_BYTES, SUMMARY_BYTES, NODE_BYTES = 64, 24, 40, 4
TREE_HEADER_BYTES, INDEX_HEADER_BYTES = 32, 48
ITEM = np.dtype([("bounds", "<u4", 4), ("offset", "<u8")])
LEAF_ITEM = np.dtype([("bounds", "<u4", 4), ("offset", "<u8"), ("size", "<u8")])
ZOOM_RECORD = np.dtype(
    [(name, "<u4") for name in ("contig", "start", "end", "covered")]
    + [(name, "<f4") for name in ("least", "most", "sum", "squares")]
)


@dataclass
class Summary:
    """Summary of all values, each counted once per base."""

    covered: int = 0
    least: float = np.inf
    most: float = -np.inf
    sum: float = 0.0
    squares: float = 0.0

    def pack(self) -> bytes:
        """Encode the summary for the file."""
        bounds = (self.least, self.most) if self.covered else (0.0, 0.0)
        return struct.pack("<Qdddd", self.covered, *bounds, self.sum, self.squares)


class BlockIndex:
    """Offsets of the blocks of one kind, in genome order; 32 bytes per block."""

    def __init__(self) -> None:
        self._bounds, self._places = array("I"), array("Q")

    def __len__(self) -> int:
        return len(self._places) // 2

    def add(self, contig: int, start: int, end: int, *, offset: int, size: int) -> None:
        """Add a block with values of base pairs [start, end), by its offset and size in the file."""
        self._bounds.extend((contig, start, contig, end))
        self._places.extend((offset, size))

    def pack(self, offset: int, *, items_a_block: int) -> bytes:
        """Encode the index as an R-tree that begins at `offset`, with the root first."""
        leaves = np.zeros(len(self), dtype=LEAF_ITEM)
        if len(self):
            leaves["bounds"] = np.frombuffer(self._bounds, dtype=np.uint32).reshape(-1, 4)
            leaves["offset"], leaves["size"] = np.frombuffer(self._places, dtype=np.uint64).reshape(-1, 2).T
        tiers: list[NDArray[np.void]] = [leaves]
        while len(tiers[-1]) > FAN:
            tiers.append(_parents(tiers[-1]))
        end = offset + INDEX_HEADER_BYTES
        for tier, below in zip(tiers[::-1], tiers[-2::-1], strict=False):
            end += _tier_bytes(tier)  # start of the tier below; all of its nodes except the last are full
            tier["offset"] = end + np.arange(len(tier)) * (NODE_BYTES + FAN * below.itemsize)
        first, last = (leaves["bounds"][0], leaves["bounds"][-1]) if len(self) else ((0, 0), (0, 0, 0, 0))
        header = struct.pack(
            "<IIQIIIIQII", INDEX_MAGIC, FAN, len(self), *first[:2], *last[2:], offset, items_a_block, 0
        )
        return header + b"".join(_nodes(tier, is_leaf=tier is leaves) for tier in tiers[::-1])


def contig_tree(contigs: Sequence[Contig], offset: int) -> bytes:
    """Encode names, numbers and lengths of contigs as a B+ tree that begins at `offset`, with the root first.

    If they fit into one leaf, which readers scan completely, they keep the given order. Otherwise they are sorted by
    name, because readers then descend from node to node.
    """
    named = [(contig.name.encode(), number, contig.length) for number, contig in enumerate(contigs)]
    fan = len(named)
    if fan > MOST_ITEMS:
        named.sort()
        fan = FAN
    key = max(len(name) for name, _, _ in named)
    counts = [len(named)]
    while counts[-1] > fan:
        counts.append(ceil_div(counts[-1], fan))
    starts = [offset + TREE_HEADER_BYTES]  # start of each tier, beginning with the root
    for count in counts[:0:-1]:
        starts.append(starts[-1] + ceil_div(count, fan) * NODE_BYTES + count * (key + 8))
    node_bytes = NODE_BYTES + fan * (key + 8)
    tiers = [[struct.pack(f"<{key}sII", *entry) for entry in named]]
    for depth, (count, below) in enumerate(zip(counts[1:], starts[:0:-1], strict=True), 1):
        firsts = [named[number * fan**depth][0] for number in range(count)]
        tiers.append(
            [struct.pack(f"<{key}sQ", name, below + number * node_bytes) for number, name in enumerate(firsts)]
        )
    header = struct.pack("<IIIIQQ", TREE_MAGIC, fan, key, 8, len(named), 0)
    nodes = [
        struct.pack("<BBH", tier is tiers[0], 0, len(tier[first : first + fan])) + b"".join(tier[first : first + fan])
        for tier in tiers[::-1]
        for first in range(0, len(tier), fan)
    ]
    return header + b"".join(nodes)


def fixed_step(contig: int, start: int, step: int, values: NDArray[np.float32]) -> bytes:
    """Encode a section of successive bins, before compression."""
    end = start + step * len(values)
    head = struct.pack("<IIIIIBBH", contig, start, end, step, step, FIXED_STEP, 0, len(values))
    return head + values.astype("<f4").tobytes()


def one_interval(contig: int, start: int, end: int, value: float) -> bytes:
    """Encode a section with one value over [start, end), before compression."""
    return struct.pack("<IIIIIBBHIIf", contig, start, end, 0, 0, BED_GRAPH, 0, 1, start, end, value)


def file_header(
    *,
    zooms: Sequence[tuple[int, int, int]],
    tree: int,
    values: int,
    index: int,
    summary: int,
    block_bytes: int,
    magic: int = MAGIC,
    fields: tuple[int, int] = (0, 0),
    sql: int = 0,
) -> bytes:
    """Encode the header of a bigWig, or of a bigBed, which differ in the last three arguments.

    Args:
        zooms: For each level: base pairs per record, offset of its records, offset of its index.
        tree: Offset of the contigs.
        values: Offset of the values.
        index: Offset of the index of the values.
        summary: Offset of the summary.
        block_bytes: Most bytes of an unpacked block.
        magic: The number with which the file begins.
        fields: Number of fields of a line of BED, and how many of them are standard fields.
        sql: Offset of the autoSql.
    """
    head = struct.pack(
        "<IHHQQQHHQQIQ", magic, VERSION, len(zooms), tree, values, index, *fields, sql, summary, block_bytes, 0
    )
    return head + b"".join(struct.pack("<IIQQ", level, 0, data, place) for level, data, place in zooms)


def _nodes(tier: NDArray[np.void], *, is_leaf: bool) -> bytes:
    starts = range(0, max(1, len(tier)), FAN)
    parts = [tier[first : first + FAN] for first in starts]
    return b"".join(struct.pack("<BBH", is_leaf, 0, len(part)) + part.tobytes() for part in parts)


def _parents(tier: NDArray[np.void]) -> NDArray[np.void]:
    """Make an item for every node of a tier, without its offset yet."""
    firsts = np.arange(0, len(tier), FAN)
    lasts = np.minimum(firsts + FAN, len(tier)) - 1
    parents = np.zeros(len(firsts), dtype=ITEM)
    parents["bounds"] = np.hstack([tier["bounds"][firsts, :2], tier["bounds"][lasts, 2:]])
    return parents


def _tier_bytes(tier: NDArray[np.void]) -> int:
    return max(1, ceil_div(len(tier), FAN)) * NODE_BYTES + tier.nbytes
