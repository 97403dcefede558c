"""Load of a model file only what some of its outputs need.

A runtime computes every output of its graph, whether asked for it or not. So the nodes and weights that only other
outputs need are left out before it loads the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from epigept_batch.inference.model_file import output_names

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def load_needed(path: Path, outputs: Collection[str]) -> onnx.ModelProto:
    """Load a model file without the nodes and weights that these outputs do not need."""
    model = onnx.load(path)
    if {output.name for output in model.graph.output} - set(outputs):
        _reduce(model.graph, outputs)
    return model


def file_or_needed(path: Path, outputs: Collection[str]) -> Path | bytes:
    """Return what a runtime loads for these outputs: the file itself, unless it has others."""
    if not output_names(path) - set(outputs):
        return path
    serialised: bytes = load_needed(path, outputs).SerializeToString()
    return serialised


def _reduce(graph: onnx.GraphProto, outputs: Collection[str]) -> None:
    """Remove from a graph, whose nodes are in the order of computation, what these outputs do not need."""
    needed = set(outputs)
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    kept = {
        "node": nodes[::-1],
        "output": [value for value in graph.output if value.name in outputs],
        "initializer": [weight for weight in graph.initializer if weight.name in needed],
    }
    for name, parts in kept.items():
        field = getattr(graph, name)
        copies = [type(part).FromString(part.SerializeToString()) for part in parts]
        del field[:]
        field.extend(copies)
    del graph.value_info[:]
