"""Options that say which samples of which tables are wanted."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.errors import InputError
from epigept_batch.sample_request import MOST_MISSING, SampleRequest

if TYPE_CHECKING:
    from collections.abc import Callable

TPM = functools.partial(
    click.option,
    "--tpm",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Quantification: of RSEM, salmon, kallisto, StringTie, featureCounts, GCT, a matrix, .h5ad; repeatable.",
)
OPTIONS = (
    click.option("--sample", multiple=True, metavar="NAME", help="A sample of the tables; repeatable.  [default: all]"),
    click.option("--merge", metavar="NAME", help="Make one sample of all, the mean of replicates."),
    click.option(
        "--tx2gene",
        type=click.Path(path_type=Path),
        help="Genes of transcripts, for tables of transcripts: GTF, GFF3, or a table.",
    ),
    click.option("--group-by", metavar="COLUMN", help="Column of obs whose groups of cells are an .h5ad's samples."),
    click.option(
        "--max-missing",
        type=click.FloatRange(0, 1),
        default=MOST_MISSING,
        show_default=True,
        metavar="SHARE",
        help="Share of the factors that a table may lack; they count as TPM 0.",
    ),
    click.option("--normalised", is_flag=True, help="The tables hold quantile-normalised TPM."),
)


def sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, as one argument `samples`."""
    return TPM(required=True)(_with_samples(command))


def optional_sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Likewise, where `samples` may be None."""
    return TPM()(_with_samples(command))


def _with_samples(command: Callable[..., None]) -> Callable[..., None]:
    """A command with all of the options but `--tpm`, which it takes."""

    @functools.wraps(command)
    def with_samples(
        *,
        tpm: tuple[str, ...],
        sample: tuple[str, ...],
        merge: str | None,
        tx2gene: Path | None,
        group_by: str | None,
        max_missing: float,
        normalised: bool,
        **others: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        request = SampleRequest(
            tables=tuple(parse_table(value) for value in tpm),
            samples=sample,
            merge=merge,
            tx2gene=tx2gene,
            group_by=group_by,
            max_missing=max_missing,
            normalised=normalised,
        )
        command(samples=_or_none(request), **others)

    for option in reversed(OPTIONS):
        with_samples = option(with_samples)
    return with_samples


def _or_none(request: SampleRequest) -> SampleRequest | None:
    """The request; None where it says nothing.

    Raises:
        InputError: It says how to read tables, and names none.
    """
    if request.tables:
        return request
    if request != SampleRequest(()):
        raise InputError("options say which samples of which tables, and no table is given; give --tpm FILE")
    return None


def parse_table(value: str) -> tuple[str | None, Path]:
    """The name that a table's sample is given, None for none, and the table, of `FILE` or `NAME=FILE`.

    Raises:
        InputError: A name without a file, or none before the equals sign.
    """
    name, equals, file = value.partition("=")
    if not equals or Path(value).exists():
        return None, Path(value)
    if not file:
        raise InputError(f"--tpm {value}: names no file; give --tpm NAME=FILE")
    if not name:
        raise InputError(f"--tpm {value}: '' cannot be a sample's name; give --tpm NAME=FILE")
    return name, Path(file)
