"""Choose the batch size for a GPU by its free memory and a short trial, whose result is saved.

The trial also decides whether calls are CUDA graphs, which can be faster for the smallest batches.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from epigept_batch.files import replacing
from epigept_batch.home import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

CANDIDATES = (1, 2, 4, 8, 16, 32, 64, 128)
GRAPH_SIZES = (1, 2)
"""Batch sizes that are tried as CUDA graphs; the kernels of larger batches take longer than their launches."""
TRIALS, LEAST_PAIRS = 3, 32
"""Calls that are timed: at least so many, and with so many pairs, because small batches take little time."""
WORTH = 1.02
"""Least speed-up for which a larger batch is chosen, because it costs memory and delays the first window."""


@dataclass(frozen=True)
class Trial:
    """The result of a trial.

    Attributes:
        batch_size: The chosen batch size.
        rates: Pairs per second by batch size.
        graph_rates: The same for calls that are CUDA graphs, as far as they were tried.
    """

    batch_size: int
    rates: dict[int, float]
    graph_rates: dict[int, float] = field(default_factory=dict)

    @property
    def graphs(self) -> bool:
        """Whether calls of the chosen size are CUDA graphs."""
        return self.graph_rates.get(self.batch_size, 0.0) >= WORTH * self.rates[self.batch_size]

    def __str__(self) -> str:
        rates = f"windows per second by batch size: {_in_words(self.rates)}"
        if self.graph_rates:
            rates += f"; with CUDA graphs: {_in_words(self.graph_rates)}"
        return f"batch size {self.batch_size}{' with CUDA graphs' if self.graphs else ''} ({rates})"


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
            rates = {name: list(of.items()) for name, of in (("rates", trial.rates), ("graphs", trial.graph_rates))}
            temporary.write_text(json.dumps({"key": key, **rates, "best": trial.batch_size}))
    return trial


def try_sizes(
    run: Callable[[int], None],
    *,
    most: int,
    is_too_large: Callable[[Exception], bool],
    sizes: Sequence[int] = CANDIDATES,
    run_graph: Callable[[int], None] | None = None,
) -> Trial:
    """Time batches of growing size until they no longer fit or are not faster.

    Args:
        run: Computes a batch of a given size.
        most: The largest batch that may fit into memory.
        is_too_large: Whether an error means that a batch does not fit.
        sizes: The sizes to try, ascending.
        run_graph: Computes a batch as a CUDA graph. A size for which it fails is not used as one.
    """
    rates: dict[int, float] = {}
    graph_rates: dict[int, float] = {}
    for size in sizes:
        if size > most and rates:
            break
        try:
            run(size)  # the first run allocates buffers and chooses algorithms
            rates[size] = size / _seconds(run, size)
        except Exception as error:
            if not (rates and is_too_large(error)):
                raise
            break
        if run_graph is not None and size in GRAPH_SIZES:
            with suppress(Exception):
                run_graph(size)
                graph_rates[size] = size / _seconds(run_graph, size)
        if size > 2 * _fastest(rates):
            break
    higher = {size: max(rate, graph_rates.get(size, 0.0)) for size, rate in rates.items()}
    return Trial(_fastest(higher), rates, graph_rates)


def _fastest(rates: Mapping[int, float]) -> int:
    """Return the smallest size than which no larger one is much faster."""
    best = next(iter(rates))
    for size, rate in rates.items():
        if rate >= WORTH * rates[best]:
            best = size
    return best


def _seconds(run: Callable[[int], None], size: int) -> float:
    """Return the seconds of a call, on average."""
    calls = max(TRIALS, LEAST_PAIRS // size)
    begun = time.perf_counter()
    for _ in range(calls):
        run(size)
    return (time.perf_counter() - begun) / calls


def _in_words(rates: Mapping[int, float]) -> str:
    return ", ".join(f"{size}: {rate:,.0f}" for size, rate in rates.items())


def _read(file: Path, key: str) -> Trial | None:
    try:
        document = json.loads(file.read_text())
        if document["key"] == key:
            rates, graphs = ({int(size): float(rate) for size, rate in document[name]} for name in ("rates", "graphs"))
            trial = Trial(int(document["best"]), rates, graphs)
            return trial if trial.batch_size in rates else None
    except (OSError, ValueError, KeyError, TypeError):
        pass  # missing or not ours: a new trial is made
    return None
