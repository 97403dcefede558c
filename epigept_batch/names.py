"""Names: of what a file may hold, and those from inputs that become names of files."""

from __future__ import annotations

PRECISIONS = ("fp32", "fp16", "int8")
"""What a model file may compute in."""
SPACES = ("log1p", "linear")
"""What tracks may hold: ln(1 + signal), as a network gives it, or the signal."""
LONGEST_SAMPLE, LONGEST_TRACK = 150, 64
"""Bytes: a file system takes 255, and the two are joined by a dot, with an ending and what a temporary name needs."""


def can_be_file_name(name: str, *, longest: int = LONGEST_SAMPLE) -> bool:
    """Whether a name can be that of files in the output folder, and of none outside it.

    Args:
        name: Of a sample or a track.
        longest: Bytes that it may have.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= longest and not name.startswith(".") and "/" not in name and name.isprintable()
