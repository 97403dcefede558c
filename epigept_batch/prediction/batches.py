"""Windows in groups that go into the network together."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Window = TypeVar("Window")
PATIENCE = 64
"""Windows with nothing to compute that a group may take along: more would make those before it wait."""


def in_batches(
    windows: Iterable[Window], size: int, *, counts: Callable[[Window], bool]
) -> Generator[list[Window], None, None]:
    """Successive windows in lists with `size` of those that count; the last may have fewer.

    Args:
        windows: In any number; closed with this, if they can be.
        size: How many go into the network together.
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
