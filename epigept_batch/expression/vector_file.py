"""The factor vector as a table: the values of each factor after each step."""

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
        found_as: The id under which the table has it; None where it does not.
        tpm: As the table has it.
        normalised: Quantile-normalised TPM.
        expression: ln(1 + normalised), which the network reads.
    """

    factor: str
    found_as: str | None
    tpm: np.float64
    normalised: np.float64
    expression: np.float32


def check_vector_path(path: Path) -> None:
    """See that a vector may be written here.

    Raises:
        OutputError: The folder cannot be written, or there is a file that is no vector of ours.
    """
    if path.exists() and not _is_vector(path):
        raise OutputError("exists and is no vector of epigept-batch; move it away or give another --write", path)
    make_folder(path.parent, option="--write")


def write_vector(path: Path, comments: Sequence[str], rows: Sequence[VectorRow]) -> None:
    """Write a table: comments behind `#`, a header, a row per factor in the network's order.

    Numbers are the shortest decimals that give them back.

    Args:
        path: The file; a vector that is there is replaced.
        comments: The first begins with the program's name.
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
