"""The inputs and outputs of a network's graph, by name.

The possible inputs are fixed here, because this program has to compute them. The model file declares which of them a
network takes and which outputs it has. No other module depends on their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from epigept_batch.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike

    from epigept_batch.spec import Spec

WINDOWS, SAMPLES = "windows", "samples"
"""What the rows of an input may represent."""
TOKENS, MOTIF_SCORES, EXPRESSION = "tokens", "motif_scores", "expression"
REACH, BINS_INSIDE = "reach", "bins_inside"
"""What a network takes in place of motif scores if its device scans: the bases that a window's bins depend on, and the
number of its bins that begin on the contig."""
SIGNAL, CONTACTS = "signal", "contacts"
"""Outputs; further contact outputs have names that begin with `CONTACTS`."""
INPUTS: Mapping[str, tuple[str, DTypeLike]] = {
    TOKENS: (WINDOWS, np.uint8),
    MOTIF_SCORES: (WINDOWS, np.float16),
    EXPRESSION: (SAMPLES, np.float32),
}
"""Every input that a graph may have: what its rows represent, and its type."""
OF_SCAN: Mapping[str, tuple[str, DTypeLike]] = {REACH: (WINDOWS, np.uint8), BINS_INSIDE: (WINDOWS, np.int32)}
"""The same for what is scanned on the device."""
KINDS = {**INPUTS, **OF_SCAN}
NEEDED = (TOKENS, EXPRESSION)


Rows = NDArray[Any] | Sequence[NDArray[Any]]
"""The rows of an input: an array, or a list of arrays."""


@dataclass(frozen=True)
class Input:
    """An input of a network.

    Attributes:
        name: One of `KINDS`.
        shape: Shape of a row, which represents a window or a sample.
    """

    name: str
    shape: tuple[int, ...]

    @property
    def rows(self) -> str:
        """What its rows represent, `WINDOWS` or `SAMPLES`."""
        return KINDS[self.name][0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its values."""
        return np.dtype(KINDS[self.name][1])


@dataclass(frozen=True)
class Output:
    """An output of a network: float32, (windows, samples, *shape)."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Ports:
    """All inputs and outputs of a network, in the order of its graph."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    @classmethod
    def of_session(cls, session: Any) -> Ports:  # noqa: ANN401 - untyped
        """Return the ports of a graph that ONNX Runtime has loaded."""
        inputs = tuple(Input(port.name, tuple(port.shape[1:])) for port in session.get_inputs())
        return cls(inputs, tuple(Output(port.name, tuple(port.shape[2:])) for port in session.get_outputs()))

    @classmethod
    def of_spec(cls, spec: Spec) -> Ports:
        """Return the ports of a network that takes every input and has the outputs of its spec."""
        inputs = tuple(Input(name, shape) for name, shape in row_shapes(spec).items())
        return cls(inputs, tuple(Output(name, shape) for name, shape in output_shapes(spec).items()))

    def with_scan(self, reach_bp: int) -> Ports:
        """Return the ports of the network if it scans windows and their surroundings of so many bp itself."""
        others = tuple(port for port in self.inputs if port.name != MOTIF_SCORES)
        return Ports((*others, Input(REACH, (reach_bp,)), Input(BINS_INSIDE, ())), self.outputs)

    def takes(self, name: str) -> bool:
        """Whether the network has an input of this name."""
        return any(port.name == name for port in self.inputs)


def row_shapes(spec: Spec) -> Mapping[str, tuple[int, ...]]:
    """Return the row shape of every input that a network may take, by name."""
    geometry, factors = spec.geometry, len(spec.factors)
    return {TOKENS: (geometry.window_bp,), MOTIF_SCORES: (factors, geometry.bins), EXPRESSION: (factors,)}


def output_shapes(spec: Spec) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of every output of a network for a window and a sample, by name."""
    blocks = {output.name: spec.geometry.window_bp // output.bin_bp for output in spec.contacts}
    return {SIGNAL: (spec.geometry.bins, len(spec.tracks))} | {name: (n, n) for name, n in blocks.items()}


def check_ports(shapes: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]], spec: Spec) -> None:
    """Check that a graph's inputs can be computed, and that they and its outputs have the sizes in its spec.

    Args:
        shapes: Shapes by input; 0 for a size that is not fixed.
        outputs: Shapes by output.
        spec: The spec of the model file.

    Raises:
        ModelError: An input is unknown, or an input or output is missing or of another shape.
    """
    wanted = row_shapes(spec)
    lacking = [name for name in NEEDED if name not in shapes]
    lacking += [name for name in output_shapes(spec) if name not in outputs]
    if lacking:
        raise ModelError(f"the model's graph has no {', '.join(lacking)}; convert the checkpoint again")
    for name, shape in shapes.items():
        if name not in wanted:
            raise ModelError(
                f"the model's graph needs the input '{name}', which this version cannot compute; "
                "use the version that wrote it"
            )
        if shape != (0, *wanted[name]):
            raise ModelError(
                f"the model's graph takes {name} in another shape than its spec says; convert the checkpoint again"
            )
    for name, shape in output_shapes(spec).items():
        if outputs[name][2:] != shape:
            raise ModelError(
                f"the model's graph gives {name} in another shape than its spec says; convert the checkpoint again"
            )


@dataclass(frozen=True, eq=False)
class Inputs:
    """Windows and samples; every pair of them is predicted.

    Attributes:
        windows: One row per window for each input with such rows, by name.
        samples: One row per sample for each input with such rows, by name.
    """

    windows: Mapping[str, Rows]
    samples: Mapping[str, Rows]

    @classmethod
    def of(cls, **rows: Rows) -> Inputs:
        """Make inputs from rows by name, such as `tokens`, `motif_scores` and `expression`."""
        by_kind: dict[str, dict[str, Rows]] = {WINDOWS: {}, SAMPLES: {}}
        for name, values in rows.items():
            by_kind[KINDS[name][0]][name] = values
        return cls(by_kind[WINDOWS], by_kind[SAMPLES])

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of windows and samples."""
        windows, samples = (next(map(len, rows.values()), 0) for rows in (self.windows, self.samples))
        return windows, samples

    def __getitem__(self, name: str) -> Rows:
        """Return the rows of an input."""
        return (self.windows if KINDS[name][0] == WINDOWS else self.samples)[name]

    def part(self, windows: slice = slice(None), samples: slice = slice(None)) -> Inputs:
        """Select some of the windows and some of the samples."""
        return Inputs(
            {name: rows[windows] for name, rows in self.windows.items()},
            {name: rows[samples] for name, rows in self.samples.items()},
        )


def joined(parts: Sequence[Mapping[str, NDArray[np.float32]]], *, axis: int) -> Mapping[str, NDArray[np.float32]]:
    """Join the outputs of several calls; a single one is not copied.

    Args:
        parts: Outputs by name, each float32, (windows, samples, …).
        axis: 0 if the parts have different windows, 1 if they have different samples.
    """
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts], axis=axis) for name in parts[0]}
