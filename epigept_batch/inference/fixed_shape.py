"""Compute every call with the same numbers of windows and samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.inference.ports import Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from epigept_batch.inference.network import Network
    from epigept_batch.inference.ports import Ports, Rows


class FixedShape:
    """A network whose calls all have one shape; see `inference.network.Network`.

    A call with fewer windows or samples is filled up with copies of its last ones, whose results are dropped.

    Args:
        network: The network.
        shape: Windows and samples per call.
    """

    def __init__(self, network: Network, shape: tuple[int, int]) -> None:
        self._network, self._shape = network, shape

    @property
    def ports(self) -> Ports:
        """Its inputs and outputs."""
        return self._network.ports

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph once, with no more windows and samples than its shape."""
        windows, samples = inputs.shape
        filled = Inputs(
            {name: _filled(rows, self._shape[0]) for name, rows in inputs.windows.items()},
            {name: _filled(rows, self._shape[1]) for name, rows in inputs.samples.items()},
        )
        return {name: values[:windows, :samples] for name, values in self._network(filled).items()}


def _filled(rows: Rows, number: int) -> Rows:
    """Return so many rows, the last of which may be copies."""
    lacking = number - len(rows)
    if not lacking:
        return rows
    if isinstance(rows, np.ndarray):
        return np.concatenate([rows, np.repeat(rows[-1:], lacking, axis=0)])
    more: list[NDArray[Any]] = [rows[-1]] * lacking
    return [*rows, *more]
