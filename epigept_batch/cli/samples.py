"""Options that say which samples of which tables are wanted."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.errors import InputError
from epigept_batch.expression.request import MOST_MISSING, SampleRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TPM, SHEET = "--tpm", "--samples"


class SampleCommand(click.Command):
    """A command of which `--tpm` takes every word up to the next option, as a shell writes out `*.tsv`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words as if each of those stood behind a `--tpm` of its own."""
        return super().parse_args(ctx, list(_each_with_its_option(args)))


def _each_with_its_option(words: Sequence[str]) -> Iterator[str]:
    """The words of a command, with `--tpm` before each of its values; what stands behind `--` is left as it is."""
    taking = False
    for number, word in enumerate(words):
        if word == "--":
            yield from words[number:]
            return
        if word == TPM or word.startswith(f"{TPM}="):
            taking = word != TPM  # the word behind a bare one is its value anyway
            if not taking and _is_option(next(iter(words[number + 1 :]), "--")):
                raise click.UsageError(f"Option '{TPM}' requires an argument.")
            yield word
            continue
        if _is_option(word):
            taking = False
        elif number and words[number - 1] == TPM:
            taking = True
        elif taking:
            yield TPM
        yield word


def _is_option(word: str) -> bool:
    return word.startswith("-") and not Path(word).exists()


OPTIONS = (
    click.option(
        TPM,
        multiple=True,
        metavar="[NAME=]FILE …",
        help="Quantification: of RSEM, salmon, kallisto, StringTie, featureCounts, GCT, a matrix, .h5ad; one or more, "
        "repeatable.",
    ),
    click.option(
        SHEET,
        type=click.Path(path_type=Path),
        metavar="SHEET",
        help="Table of samples with columns `sample` and `file`, which is relative to the sheet's folder. Where a file "
        "has several samples, `column` names the one, else it is the one called `sample`. Further columns go into "
        "run.json. With --tpm too: both.",
    ),
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
    """Give a command of class `SampleCommand` the options, as one argument `samples`."""
    return _with_samples(command, required=True)


def optional_sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Likewise, where `samples` may be None."""
    return _with_samples(command, required=False)


def _with_samples(command: Callable[..., None], *, required: bool) -> Callable[..., None]:
    """A command with all of the options."""

    @functools.wraps(command)
    def with_samples(
        *,
        tpm: tuple[str, ...],
        samples: Path | None,
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
            sheet=samples,
        )
        wanted = _or_none(request)
        if wanted is None and required:
            raise click.UsageError(f"Missing option '{TPM}' or '{SHEET}'.")
        command(samples=wanted, **others)

    for option in reversed(OPTIONS):
        with_samples = option(with_samples)
    return with_samples


def _or_none(request: SampleRequest) -> SampleRequest | None:
    """The request; None where it says nothing.

    Raises:
        InputError: It says how to read tables, and names none.
    """
    if request.tables or request.sheet is not None:
        return request
    if request != SampleRequest(()):
        raise InputError(
            f"options say which samples of which tables, and no table is given; give {TPM} FILE or {SHEET} SHEET"
        )
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
