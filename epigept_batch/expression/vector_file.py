"""Write the factor vector as a table: the values of each factor after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from epigept_batch.errors import OutputError
from epigept_batch.files import make_folder, replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

MARK = "# epigept-batch "
HEADER = ("factor", "found_as", "TPM", "quantile_normalised_TPM", "ln(1+quantile_normalised_TPM)")


class VectorRow(NamedTuple):
    """A factor's values.

    Attributes:
        factor: Its name.
        found_as: The id under which the table lists it; None if it is missing.
        tpm: TPM from the table.
        normalised: Quantile-normalised TPM.
        expression: ln(1 + normalised), which the network reads.
    """

    factor: str
    found_as: str | None
    tpm: np.float64
    normalised: np.float64
    expression: np.float32


def check_vector_path(path: Path) -> None:
    """Check that a vector may be written to this path.

    Raises:
        OutputError: The folder cannot be written, or the file exists and is not an epigept-batch vector.
    """
    if path.exists() and not _is_vector(path):
        raise OutputError("exists but is not an epigept-batch vector; move it away or choose another --out", path)
    make_folder(path.parent, option="--out")


def write_vector(path: Path, comments: Sequence[str], rows: Sequence[VectorRow]) -> None:
    """Write a table: comments with `#`, a header, and one row per factor in the network's order.

    Numbers are written as the shortest decimals that read back as the same value.

    Args:
        path: The file; an existing vector is replaced.
        comments: Comment lines; the first begins with the program's name.
        rows: The factors.
    """
    lines = [f"# {comment}" for comment in comments]
    lines += ["\t".join(HEADER)]
    lines += ["\t".join((row.factor, row.found_as or "", *(str(value) for value in row[2:]))) for row in rows]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_vector(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(MARK)) == MARK.encode()
    except OSError:
        return False
