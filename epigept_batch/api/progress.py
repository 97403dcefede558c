"""A progress bar for the Python API: in a notebook that of notebooks, else one on standard error."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")


def with_bar(items: Iterable[Item], total: int, unit: str, *, shown: bool) -> Iterator[Item]:
    """Yield items, and show how many have come.

    Args:
        items: What is counted.
        total: Their number.
        unit: What one of them is called.
        shown: Whether to show a bar.
    """
    if not shown:
        yield from items
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets, tqdm warns, and shows the bar as text
        from tqdm.auto import tqdm

        bar = tqdm(total=total, unit=unit)
    with bar:
        for item in items:
            yield item
            bar.update()
