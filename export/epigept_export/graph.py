"""The network as one ONNX file with the spec in its metadata."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import onnx
import torch

from epigept_batch.errors import ModelError
from epigept_batch.files import replacing
from epigept_batch.inference.model_file import INPUTS, OUTPUT
from epigept_batch.spec import METADATA_KEY
from epigept_export.attention import FUSED_OPERATOR

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.spec import Spec
    from epigept_export.model import EpiGePT

OPSET = 20
DESCRIPTION = "EpiGePT: tokens, motif scores and expression to ln(1 + signal)"


def write_model(network: EpiGePT, spec: Spec, path: Path) -> None:
    """Export a network and write the model file; the network's attention is fused in place.

    Args:
        network: With its weights.
        spec: What the file shall say of itself.
        path: Where; the file appears whole or not at all.

    Raises:
        ModelError: The graph does not have the fused operators that it should.
    """
    model = export_graph(network)
    model.metadata_props.add(key=METADATA_KEY, value=spec.to_json())
    with replacing(path) as temporary:
        onnx.save_model(model, temporary)


def export_graph(network: EpiGePT) -> onnx.ModelProto:
    """The network's graph with dynamic numbers of windows and samples."""
    network.eval()
    network.fuse_attention()
    architecture = network.architecture
    windows, samples = torch.export.Dim("windows"), torch.export.Dim("samples")
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
            input_names=INPUTS,
            output_names=[OUTPUT],
            dynamic_shapes=({0: windows}, {0: windows}, {0: samples}),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave nothing")
    program.optimize()
    model: onnx.ModelProto = program.model_proto
    _check_operators(model, layers=architecture.layers)
    _strip(model)
    return model


def operator_counts(model: onnx.ModelProto) -> Counter[str]:
    """How often each operator occurs, as `domain::name`, or `name` in the standard domain."""
    return Counter(f"{node.domain}::{node.op_type}".removeprefix("::") for node in model.graph.node)


def _check_operators(model: onnx.ModelProto, *, layers: int) -> None:
    found = operator_counts(model)[FUSED_OPERATOR]
    if found != layers:
        raise ModelError(f"the exported graph has {found} fused attention operators instead of {layers}")


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
