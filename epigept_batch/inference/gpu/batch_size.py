"""Choose the batch size for a GPU by its free memory and a short trial, whose result is saved."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.files import replacing
from epigept_batch.home import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANDIDATES = (1, 2, 4, 8, 16, 32, 64, 128)
TRIALS = 3
WORTH = 1.02
"""Least speed-up for which a larger batch is chosen, because it costs memory and delays the first window."""


@dataclass(frozen=True)
class Trial:
    """The result of a trial.

    Attributes:
        batch_size: The chosen batch size.
        rates: Pairs per second by batch size.
    """

    batch_size: int
    rates: dict[int, float]

    def __str__(self) -> str:
        rates = ", ".join(f"{size}: {rate:,.0f}" for size, rate in self.rates.items())
        return f"batch size {self.batch_size} (windows per second by batch size: {rates})"


def kept_trial(key: str, make: Callable[[], Trial]) -> Trial:
    """Return the saved trial for this key, or run a new one and save it.

    Args:
        key: Everything that the trial depends on: device, model, runtime, samples.
        make: Runs a new trial.
    """
    folder = cache_folder("batches")
    file = None if folder is None else folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if file is not None and (trial := _read(file, key)) is not None:
        return trial
    trial = make()
    if file is not None:
        with replacing(file) as temporary:
            temporary.write_text(json.dumps({"key": key, "rates": list(trial.rates.items()), "best": trial.batch_size}))
    return trial


def try_sizes(run: Callable[[int], None], *, most: int, is_too_large: Callable[[Exception], bool]) -> Trial:
    """Time batches of growing size until they no longer fit or are not faster.

    Args:
        run: Computes a batch of a given size.
        most: The largest batch that may fit into memory.
        is_too_large: Whether an error means that a batch does not fit.
    """
    rates: dict[int, float] = {}
    best = CANDIDATES[0]
    for size in CANDIDATES:
        if size > most and rates:
            break
        try:
            run(size)  # the first run allocates buffers and chooses algorithms
            rates[size] = size * TRIALS / _seconds(run, size)
        except Exception as error:
            if not (rates and is_too_large(error)):
                raise
            break
        if rates[size] >= WORTH * rates[best]:
            best = size
        elif size > 2 * best:
            break
    return Trial(best, rates)


def _seconds(run: Callable[[int], None], size: int) -> float:
    begun = time.perf_counter()
    for _ in range(TRIALS):
        run(size)
    return time.perf_counter() - begun


def _read(file: Path, key: str) -> Trial | None:
    try:
        document = json.loads(file.read_text())
        if document["key"] == key:
            return Trial(int(document["best"]), {int(size): float(rate) for size, rate in document["rates"]})
    except (OSError, ValueError, KeyError, TypeError):
        pass  # missing or not ours: a new trial is made
    return None
