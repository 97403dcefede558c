"""Numbers that a seed and a name stand for, the same whatever else is drawn."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for each thing that is drawn, so that a contig or cell can be made without the others."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
