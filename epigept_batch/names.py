"""Names of precisions, spaces and other choices, and checks of input names that become file names."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

PRECISIONS = ("fp32", "fp16", "int8")
"""Precisions that a model file may have."""
SPACES = ("log1p", "linear")
"""Values that tracks may hold: ln(1 + signal), as a network outputs it, or the signal itself."""
REFERENCE, ALTERNATIVE = "reference", "alternative"
UNPHASED = (REFERENCE, ALTERNATIVE)
"""What both haplotypes of a personal genome may get at heterozygous sites without phase."""
STRANDS, SHIFTS = "strands", "shifts"
AVERAGES = (STRANDS, SHIFTS)
"""What effects of variants can be averaged over."""
NAMES_SHOWN = 5
"""Names that a message lists."""
LONGEST_SAMPLE, LONGEST_TRACK = 150, 64
"""Most bytes of a name. A file system allows 255 for both names, a dot, the suffix and what a temporary name adds."""
METADATA = "zarr.json"
"""Name of the file that describes an array or a group of Zarr."""
LONGEST_NODE = 200
"""Most characters of an array's folder name; longer names are cut and made unique by a digest."""


def some(names: Iterable[str], *, most: int = NAMES_SHOWN) -> str:
    """Return some names, and how many more there are, for messages."""
    every = list(names)
    rest = len(every) - most
    return ", ".join(every[:most]) + (f" and {rest} more" if rest > 0 else "")


def can_be_file_name(name: str, *, longest: int = LONGEST_SAMPLE) -> bool:
    """Whether a name can be part of a file name in the output folder, and cannot lead outside it.

    Args:
        name: Name of a sample or a track.
        longest: Most bytes that it may have.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= longest and not name.startswith(".") and "/" not in name and name.isprintable()


def node_name(name: str) -> str:
    """Return the name of an array of Zarr: the name, with characters escaped that Zarr or a file system reserves.

    Args:
        name: Name of a contig or a track.
    """
    node = quote(name, safe=" !#$&'()*+,;=@[]^`{}~")
    if node.startswith("__") or not node.strip(".") or node == METADATA:
        node = f"%{ord(node[0]):02X}{node[1:]}"
    if len(node) <= LONGEST_NODE:
        return node
    return f"{node[: LONGEST_NODE - 65]}~{hashlib.sha256(node.encode()).hexdigest()}"
