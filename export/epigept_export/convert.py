"""Converts a checkpoint, a motif set and an expression reference to a model file."""

from __future__ import annotations

import csv
import ctypes
import io
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch

import epigept_batch
from epigept_batch.bounds import read_unpacked
from epigept_batch.errors import InputError, ModelError, OutputError, reason
from epigept_batch.expression import formats
from epigept_batch.files import make_folder, replacing
from epigept_batch.inference.check import check_bins, check_inputs
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.ports import SIGNAL
from epigept_batch.motifs.motif_set import P_VALUE, read_motif_set
from epigept_batch.spec import Check, ExpressionReference, Spec
from epigept_export.architectures import HG_SCAN_WINDOW, read_training_windows, training_cells
from epigept_export.contacts import with_contacts
from epigept_export.graph import export_graph, write_model
from epigept_export.load import load_network
from epigept_export.precision import FP16, FUSED, check_form, make_form
from epigept_export.verify import compare_file, original_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.spec import MotifSet, ScanWindow
    from epigept_batch.tiling import Geometry
    from epigept_export.architectures import Architecture
    from epigept_export.contacts import ContactRequest
    from epigept_export.verify import Verification

CHECK_SEED = 711
M_MMAP_THRESHOLD = -3  # of malloc.h
LARGE = 1 << 20
OF_QUANTIFICATION = formats.TPM | formats.FPKM | formats.COUNTS | {"effective_length", "effectivelength"}
"""Column names of one sample's quantification; no cell has such a name."""
OUTLYING = 5
"""A reference column is reported when its mean differs from the median column's by more than this factor."""


@dataclass(frozen=True)
class ConvertRequest:
    """What a user asks for.

    Attributes:
        checkpoint: The trained network.
        motifs: Motifs in HOMER, MEME or JASPAR format.
        motif_factors: Their factors.
        output: The model file to write.
        architecture: The checkpoint's architecture; None to recognise it among the published ones.
        expression_reference: TPM of the training cells.
        precision: One of `precision.PRECISIONS`.
        attention: One of `precision.ATTENTIONS`.
        motif_window: Function that returns the scan window for the network's bins; None for the architecture's own.
        p_value: Sets the thresholds of motifs that have none.
        factors: Number of the network's factors; None for the published number, or else the motif set's.
        contacts: The contact outputs; None for none.
        verify: Whether to compare the file with the original network before it gets its name.
        threads: Number of CPU threads for the comparison.
    """

    checkpoint: Path
    motifs: Path
    motif_factors: Path
    output: Path
    architecture: Architecture | None = None
    expression_reference: Path | None = None
    precision: str = FP16
    attention: str = FUSED
    motif_window: Callable[[Geometry], ScanWindow] | None = None
    p_value: float = P_VALUE
    factors: int | None = None
    contacts: ContactRequest | None = None
    verify: bool = True
    threads: int = 1


def convert(request: ConvertRequest, *, say: Callable[[str], None]) -> tuple[Spec, Verification | None]:
    """Write the model file; it gets its name once it is verified.

    Args:
        request: What to do.
        say: Reports a sentence to the user.

    Returns:
        The file's spec, and how close the file comes to the original network.

    Raises:
        VerificationError: The file is not close enough; it is not written then.
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    _free_at_once()
    _check_output(request)
    check_form(precision=request.precision, attention=request.attention)
    motif_set = _read_motifs(request, say)
    network = load_network(
        request.checkpoint,
        request.architecture,
        factors=request.factors or len(motif_set.factors),
        stated=request.factors is not None,
    )
    architecture = network.architecture
    motif_set = _fit_motifs(motif_set, request, architecture)
    table = request.expression_reference
    reference = None if table is None else read_expression_reference(table, motif_set.factors)
    inputs = check_inputs(architecture.geometry, motif_set, reference, seed=CHECK_SEED)
    outputs = () if request.contacts is None else request.contacts.outputs(architecture)
    expected = original_outputs(with_contacts(network, outputs), inputs, threads=request.threads)
    spec = replace(_make_spec(request, architecture, motif_set, reference, expected[SIGNAL]), contacts=outputs)
    with replacing(request.output) as temporary:
        # Each form of the weights is freed before the next but one is made: memory holds two of them, not four.
        operators = make_form(network, precision=request.precision, attention=request.attention)
        model = export_graph(with_contacts(network, outputs), operators)
        del network
        try:
            write_model(model, spec, temporary)
        except OSError as error:
            raise OutputError(f"cannot be written: {reason(error)}", request.output) from error
        del model
        if not request.verify:
            return spec, None
        verification = compare_file(temporary, spec, inputs, expected, CPU, threads=request.threads, say=say)
        verification.check(request.output, advice="convert with another --precision")
    return spec, verification


def _free_at_once() -> None:
    """Make glibc, if present, return freed weights to the system at once: each form of them is freed in turn."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def _read_motifs(request: ConvertRequest, say: Callable[[str], None]) -> MotifSet:
    """Read the motif set, with a provisional scan window that `_fit_motifs` replaces."""
    return read_motif_set(
        request.motifs, request.motif_factors, window=HG_SCAN_WINDOW, p_value=request.p_value, say=say
    )


def _fit_motifs(motif_set: MotifSet, request: ConvertRequest, architecture: Architecture) -> MotifSet:
    """Return the motif set with the network's scan window.

    Raises:
        InputError: Its number of factors is not the network's.
    """
    factors = len(motif_set.factors)
    if factors != architecture.factors:
        raise InputError(
            f"gives {factors} factors with {request.motif_factors.name}, but the network has {architecture.factors}; "
            "use the motif set that it was trained with, or state the number with --factors",
            request.motifs,
        )
    window = architecture.scan_window if request.motif_window is None else request.motif_window(architecture.geometry)
    return replace(motif_set, window=window)


def _make_spec(
    request: ConvertRequest,
    architecture: Architecture,
    motif_set: MotifSet,
    reference: ExpressionReference | None,
    expected: NDArray[np.float32],
) -> Spec:
    return Spec(
        architecture=architecture.name,
        geometry=motif_set.window.geometry(architecture.geometry.bins, architecture.geometry.bin_bp),
        tracks=architecture.tracks,
        factors=motif_set.factors,
        motif_set=motif_set,
        reference=reference,
        precision=request.precision,
        attention=request.attention,
        checkpoint_sha256=file_sha256(request.checkpoint),
        versions={
            "epigept-batch": epigept_batch.__version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxscript": version("onnxscript"),
        },
        check=Check(CHECK_SEED, expected[:, :, check_bins(architecture.geometry)]),
        training_windows=read_training_windows(architecture.training_windows),
        training_cells=training_cells(architecture, reference),
        contiguous=architecture.contiguous,
        network=architecture.sizes,
    )


def _check_output(request: ConvertRequest) -> None:
    """Refuse, before any work, an output that cannot be written or would replace something else.

    Raises:
        OutputError: The output is one of the inputs, a folder, or a file that is not a model file.
    """
    output = request.output
    if output.exists():
        inputs = (request.checkpoint, request.motifs, request.motif_factors, request.expression_reference)
        if any(path is not None and path.exists() and output.samefile(path) for path in inputs):
            raise OutputError("is also an input; choose another --output", output)
        try:
            read_spec(output)
        except ModelError as error:
            raise OutputError(
                "exists and is not a model file; move it away or choose another --output", output
            ) from error
    make_folder(output.parent, option="--output")


def read_expression_reference(path: Path, factors: Sequence[str]) -> ExpressionReference:
    """Read TPM of the training cells: factors as rows, their names first, cells as columns; tab- or comma-separated.

    Args:
        path: The table, plain or gzip.
        factors: Names of the factors, in the order of the result.

    Raises:
        InputError: It is another kind of table, a factor is missing, or a value is negative or not a number.
    """
    try:
        text = read_unpacked(path).decode()
        separator = "\t" if "\t" in text.partition("\n")[0] else ","
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        why = reason(error) if isinstance(error, OSError) else "not a text table"
        raise InputError(f"expression reference cannot be read: {why}", path) from error
    _check_reference_header(header, path)
    values: dict[str, list[float]] = {}
    for line, row in enumerate(rows, 2):
        values[row[0] if row else ""] = _reference_row(row, len(header), path, line)
    missing = [factor for factor in factors if factor not in values]
    if missing:
        raise InputError(f"{len(missing)} of {len(factors)} factors are missing, the first is {missing[0]}", path)
    return ExpressionReference(tuple(header[1:]), np.array([values[factor] for factor in factors]))


def _check_reference_header(header: Sequence[str], path: Path) -> None:
    """Refuse the quantification of one sample, whose values may all be numbers, and a table without cells."""
    samples_own = [name for name in header if name.strip().lower() in OF_QUANTIFICATION]
    if not samples_own and len(header) > 1:
        return
    why = f"it has the columns of one sample ({', '.join(samples_own)})" if samples_own else "it has one column"
    raise InputError(
        f"not a table of factors × cells: {why}; use TPM with the factors as rows and the training cells as columns",
        path,
        1,
    )


def _reference_row(row: Sequence[str], columns: int, path: Path, line: int) -> list[float]:
    try:
        values = [float(value) for value in row[1:]]
    except ValueError:
        values = [np.nan]
    if len(row) != columns or not all(np.isfinite(values)) or min(values) < 0:
        raise InputError(f"a row must have a factor and {columns - 1} TPM values of at least 0", path, line)
    return values


def outlying_cells(reference: ExpressionReference) -> list[tuple[str, float, float]]:
    """Return cells whose mean TPM differs in scale from the others: name, mean, and the median of all means."""
    means = reference.matrix.mean(axis=0)
    usual = float(np.median(means))
    odd = (means > OUTLYING * usual) | (means < usual / OUTLYING)
    return [(reference.cells[number], float(means[number]), usual) for number in np.flatnonzero(odd)]
