"""The network as one ONNX file with the spec in its metadata."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import onnx
import torch

from epigept_batch.errors import ModelError
from epigept_batch.inference.ports import INPUTS
from epigept_batch.spec import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from epigept_batch.spec import Spec
    from epigept_export.contacts import WithContacts
    from epigept_export.model import EpiGePT

OPSET = 20
DESCRIPTION = "EpiGePT: tokens, motif scores and expression to ln(1 + signal)"


def export_graph(network: EpiGePT | WithContacts, operators: Mapping[str, int]) -> onnx.ModelProto:
    """Export the network's graph with dynamic numbers of windows and samples; removes the weights from the network.

    Args:
        network: The network with its weights, in the form to export.
        operators: How often each non-standard operator must occur.

    Raises:
        ModelError: The graph has other non-standard operators, or other numbers of them.
    """
    network.eval()
    architecture = network.architecture
    rows = {kind: torch.export.Dim(kind) for kind, _ in INPUTS.values()}
    example = (  # two of each, because torch treats a size of 1 as a constant
        torch.zeros(2, architecture.geometry.window_bp, dtype=torch.uint8),
        torch.zeros(2, architecture.factors, architecture.bins, dtype=torch.float16),
        torch.zeros(2, architecture.factors),
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(network.output_names),
            dynamic_shapes=tuple({0: rows[kind]} for kind, _ in INPUTS.values()),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave nothing")
    program.optimize()
    model: onnx.ModelProto = program.model_proto
    for parameter in network.parameters():
        parameter.data = parameter.new_empty(0)  # the exporter keeps a reference to the parameter
    _check_operators(model, operators)
    _strip(model)
    return model


def write_model(model: onnx.ModelProto, spec: Spec, path: Path) -> None:
    """Write a graph with its spec as a model file; removes the weights from the graph.

    The weights are written one by one, because serialising all of them at once would take as much memory again. This
    works because concatenated protocol-buffer messages are one message, in which repeated fields add up.
    """
    model.metadata_props.add(key=METADATA_KEY, value=spec.to_json())
    weights = list(model.graph.initializer)
    del model.graph.initializer[:]
    with path.open("wb") as stream:
        stream.write(model.SerializeToString(deterministic=True))
        for weight in weights:
            part = onnx.ModelProto(graph=onnx.GraphProto(initializer=[weight]))
            stream.write(part.SerializeToString(deterministic=True))


def operator_counts(model: onnx.ModelProto) -> Counter[str]:
    """Count each operator, as `domain::name`, or `name` in the standard domain."""
    return Counter(f"{node.domain}::{node.op_type}".removeprefix("::") for node in model.graph.node)


def _check_operators(model: onnx.ModelProto, wanted: Mapping[str, int]) -> None:
    found = operator_counts(model)
    for operator in {*wanted, *(name for name in found if "::" in name)}:
        if found[operator] != wanted.get(operator, 0):
            raise ModelError(
                f"the exported graph contains {operator} {found[operator]} times instead of {wanted.get(operator, 0)}"
            )


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes on its own source, so that the file depends only on the network."""
    model.doc_string = DESCRIPTION
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
