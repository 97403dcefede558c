"""Run a stage ahead of its consumer, in threads: results in order, a bound on what waits, errors and close across."""

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
    """`map`, with the next results under way while the consumer works on one.

    Items are taken in the consumer's thread, so that chains of this are safe: only `function` runs elsewhere. An error
    of the items or of the function reaches the consumer in the place of its result. Whatever ends the iteration, when
    `close` returns no thread works on it any more and the items are closed too: use `contextlib.closing`, for a
    traceback may keep a generator alive.

    Args:
        function: What to do with each item; may be called from several threads at once.
        items: Taken as they are needed.
        workers: How many threads; 0 for none, to do everything in the consumer's.
        ahead: How many results may be under way or wait besides the one that the consumer has.
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
    """The items up to an error, which is kept: the results before it come first. Ctrl-C does not wait for them."""
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 - it is raised later
        failures.append(error)
