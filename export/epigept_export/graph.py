"""The network as one ONNX file with the spec in its metadata."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import onnx
import torch

from epigept_batch.errors import ModelError
from epigept_batch.inference.ports import INPUTS, SIGNAL
from epigept_batch.spec import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from epigept_batch.spec import Spec
    from epigept_export.model import EpiGePT

OPSET = 20
DESCRIPTION = "EpiGePT: tokens, motif scores and expression to ln(1 + signal)"


def export_graph(network: EpiGePT, operators: Mapping[str, int]) -> onnx.ModelProto:
    """The network's graph with dynamic numbers of windows and samples; it takes the network's weights with it.

    Args:
        network: With its weights, in the form to export.
        operators: How often each operator must occur that is not a standard one.

    Raises:
        ModelError: The graph has others.
    """
    network.eval()
    architecture = network.architecture
    rows = {kind: torch.export.Dim(kind) for kind, _ in INPUTS.values()}
    example = (  # two of each, because torch takes a size of 1 for a constant
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
            output_names=[SIGNAL],
            dynamic_shapes=tuple({0: rows[kind]} for kind, _ in INPUTS.values()),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave nothing")
    program.optimize()
    model: onnx.ModelProto = program.model_proto
    for parameter in network.parameters():
        parameter.data = parameter.new_empty(0)  # the exporter keeps hold of the parameter
    _check_operators(model, operators)
    _strip(model)
    return model


def write_model(model: onnx.ModelProto, spec: Spec, path: Path) -> None:
    """Write a graph with its spec as a model file; takes the weights from the graph.

    They are written one by one, since all of them serialised would take as much memory again. Messages of protocol
    buffers that follow each other are one message: what is repeated in them adds up.
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
    """How often each operator occurs, as `domain::name`, or `name` in the standard domain."""
    return Counter(f"{node.domain}::{node.op_type}".removeprefix("::") for node in model.graph.node)


def _check_operators(model: onnx.ModelProto, wanted: Mapping[str, int]) -> None:
    found = operator_counts(model)
    for operator in {*wanted, *(name for name in found if "::" in name)}:
        if found[operator] != wanted.get(operator, 0):
            raise ModelError(
                f"the exported graph has {operator} {found[operator]} times instead of {wanted.get(operator, 0)}"
            )


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes of its own source, so that the file depends on the network alone."""
    model.doc_string = DESCRIPTION
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
