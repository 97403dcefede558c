"""What a run may leave behind in its process: open files and threads."""

from __future__ import annotations

import os
import threading
from pathlib import Path

WORKERS = ("scan", "ahead")
"""How this program's own threads are named."""


def open_links(path):
    """Open files of this process that are, or were before it was replaced or removed, `path`."""
    there = (os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())
    return [name for name in there if name.removesuffix(" (deleted)") == str(path)]


def new_workers(before):
    """Threads of this program that were not there before, by name; libraries have threads of their own."""
    return [t.name for t in threading.enumerate() if t not in before and t.name.startswith(WORKERS)]
