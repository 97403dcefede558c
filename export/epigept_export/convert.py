"""From a checkpoint, a motif set and an expression reference to a model file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch

import epigept_batch
from epigept_batch.errors import InputError, ModelError, OutputError
from epigept_batch.files import make_folder
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inputs.motifs import read_motif_set
from epigept_batch.spec import ExpressionReference, Spec
from epigept_export.architectures import read_training_windows
from epigept_export.checkpoint import check_keys, read_state_dict
from epigept_export.graph import write_model
from epigept_export.model import EpiGePT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from epigept_batch.spec import ScanWindow
    from epigept_export.architectures import Architecture

OUTLYING = 5
"""A reference column is reported when its mean differs from the median column's by more than this factor."""


@dataclass(frozen=True)
class ConvertRequest:
    """What a user asks for."""

    checkpoint: Path
    architecture: Architecture
    motifs: Path
    motif_factors: Path
    expression_reference: Path | None
    motif_window: ScanWindow
    output: Path


def convert(request: ConvertRequest) -> Spec:
    """Write the model file.

    Raises:
        EpiGePTError: What the user can mend, in one line.
    """
    architecture = request.architecture
    _check_output(request)
    motif_set = read_motif_set(request.motifs, request.motif_factors, window=request.motif_window)
    factors = motif_set.factors
    if len(factors) != architecture.factors:
        raise InputError(
            f"with {request.motif_factors.name} gives {len(factors)} factors, the network has {architecture.factors}; "
            "give the motif set that it was trained with",
            request.motifs,
        )
    reference = request.expression_reference
    spec = Spec(
        architecture=architecture.name,
        geometry=architecture.geometry,
        tracks=architecture.tracks,
        factors=factors,
        motif_set=motif_set,
        reference=None if reference is None else read_expression_reference(reference, factors),
        precision="fp32",
        checkpoint_sha256=_sha256(request.checkpoint),
        versions={
            "epigept-batch": epigept_batch.__version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
        },
        training_windows=read_training_windows(architecture.training_windows),
    )
    write_model(load_network(request.checkpoint, architecture), spec, request.output)
    return spec


def _check_output(request: ConvertRequest) -> None:
    """Refuse, before any work, an output that cannot be written or whose place holds something else.

    Raises:
        OutputError: The output is one of the inputs, a folder, or a file that is no model file.
    """
    output = request.output
    if output.exists():
        inputs = (request.checkpoint, request.motifs, request.motif_factors, request.expression_reference)
        if any(path is not None and path.exists() and output.samefile(path) for path in inputs):
            raise OutputError("is an input; give another --output", output)
        try:
            read_spec(output)
        except ModelError as error:
            raise OutputError("exists and is no model file; move it away or give another --output", output) from error
    make_folder(output.parent, option="--output")


def load_network(checkpoint: Path, architecture: Architecture) -> EpiGePT:
    """The network with a checkpoint's weights, which stay mapped from the file.

    Raises:
        ModelError: A key is missing or misshapen.
    """
    with torch.device("meta"):
        network = EpiGePT(architecture)
    state = read_state_dict(checkpoint)
    wanted = network.state_dict()
    check_keys(state, wanted, checkpoint)
    network.load_state_dict({key: state[key].float() for key in wanted}, assign=True)
    return network.requires_grad_(requires_grad=False).eval()


def read_expression_reference(path: Path, factors: Sequence[str]) -> ExpressionReference:
    """Read TPM of the training cells: factors as rows, their names first, cells as columns; tab- or comma-separated.

    Args:
        path: The table.
        factors: Names, in the order wanted.

    Raises:
        InputError: A factor is missing, or a value is negative or no number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            separator = "\t" if "\t" in stream.readline() else ","
            stream.seek(0)
            header, *rows = csv.reader(stream, delimiter=separator)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a table of text"
        raise InputError(f"expression reference cannot be read: {reason}", path) from error
    values: dict[str, list[float]] = {}
    for line, row in enumerate(rows, 2):
        values[row[0] if row else ""] = _reference_row(row, len(header), path, line)
    missing = [factor for factor in factors if factor not in values]
    if missing:
        raise InputError(f"lacks {len(missing)} of {len(factors)} factors, the first {missing[0]}", path)
    return ExpressionReference(tuple(header[1:]), np.array([values[factor] for factor in factors]))


def _reference_row(row: Sequence[str], columns: int, path: Path, line: int) -> list[float]:
    try:
        values = [float(value) for value in row[1:]]
    except ValueError:
        values = [np.nan]
    if len(row) != columns or columns == 1 or not all(np.isfinite(values)) or min(values) < 0:
        raise InputError(f"needs a factor and {columns - 1} TPM values from 0 up", path, line)
    return values


def outlying_cells(reference: ExpressionReference) -> list[tuple[str, float, float]]:
    """Cells whose mean TPM is of another scale than the others': name, mean, and the median of all means."""
    means = reference.matrix.mean(axis=0)
    usual = float(np.median(means))
    odd = (means > OUTLYING * usual) | (means < usual / OUTLYING)
    return [(reference.cells[number], float(means[number]), usual) for number in np.flatnonzero(odd)]


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"checkpoint cannot be read: {error.strerror}", path) from error
