"""Group windows that go into the network together."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Window = TypeVar("Window")
PATIENCE = 64
"""Most windows with nothing to compute that a batch may include, so that the windows before them are not delayed."""


def in_batches(
    windows: Iterable[Window], size: int, *, counts: Callable[[Window], bool]
) -> Generator[list[Window], None, None]:
    """Yield lists of successive windows, each with `size` windows that count; the last may have fewer.

    Args:
        windows: Any number of windows; closed with this generator, if they have `close`.
        size: Number of windows that go into the network together.
        counts: Whether a window goes into the network.
    """
    batch: list[Window] = []
    number = 0
    try:
        for window in windows:
            batch.append(window)
            number += counts(window)
            if number == size or len(batch) == size + PATIENCE:
                yield batch
                batch, number = [], 0
        if batch:
            yield batch
    finally:
        close = getattr(windows, "close", None)
        if close is not None:
            close()
