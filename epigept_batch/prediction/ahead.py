"""Run a stage in threads ahead of its consumer, with ordered results, a bounded queue, errors and cleanup."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Generator[Result, None, None]:
    """Like `map`, but computes the next results while the consumer works on one.

    Items are read in the consumer's thread and only `function` runs elsewhere, so calls can be chained safely. An error
    in the items or the function reaches the consumer in place of its result. However the iteration ends, once `close`
    returns, no thread is working on it and the items are closed too. Use `contextlib.closing`, because a traceback may
    keep a generator alive.

    Args:
        function: Applied to each item; may be called from several threads at once.
        items: The items, read as needed.
        workers: Number of threads; 0 to run everything in the consumer's thread.
        ahead: How many results may be in progress or waiting, besides the one that the consumer has.
    """
    try:
        if workers:
            yield from _mapped_ahead(function, items, workers=workers, ahead=ahead)
        else:
            yield from map(function, items)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _mapped_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Generator[Result, None, None]:
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    failures: list[Exception] = []
    try:
        for item in _until_failure(items, failures):
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        for failure in failures:
            raise failure
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _until_failure(items: Iterable[Item], failures: list[Exception]) -> Iterator[Item]:
    """Yield items up to an error and store it, so that earlier results come first. Ctrl-C does not wait for them."""
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 - raised later
        failures.append(error)
