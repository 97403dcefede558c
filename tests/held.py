"""What a run may leave behind in its process: open files and threads."""

from __future__ import annotations

import os
import threading
from pathlib import Path

WORKERS = ("scan", "ahead")
"""Prefixes of the names of this program's own threads."""


def open_links(path):
    """Return this process's open files at `path`, including a file that was since replaced or removed."""
    there = (os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())
    return [name for name in there if name.removesuffix(" (deleted)") == str(path)]


def new_workers(before):
    """Return the names of this program's threads that are new since `before`. Libraries have threads of their own."""
    return [t.name for t in threading.enumerate() if t not in before and t.name.startswith(WORKERS)]
