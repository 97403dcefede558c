"""The files that come with the program: a trained model and its linear baseline."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from epigept_batch.demo.linear import LinearModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL, LINEAR = "model.onnx", "linear.json"


@contextmanager
def packaged_model() -> Iterator[Path]:
    """The model file, as long as the block runs."""
    with resources.as_file(resources.files("epigept_batch.demo").joinpath(MODEL)) as path:
        yield path


def packaged_baseline() -> LinearModel:
    """The linear baseline."""
    return LinearModel.from_json(resources.files("epigept_batch.demo").joinpath(LINEAR).read_text())
