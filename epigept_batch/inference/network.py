"""The interface of a loaded graph on any device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.inference.ports import Inputs, Ports


class Network(Protocol):
    """A loaded graph."""

    @property
    def ports(self) -> Ports:
        """Its inputs and outputs."""

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph once; return each output by name, float32, (windows, samples, …)."""
