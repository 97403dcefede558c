"""Options that select samples and their tables."""

from __future__ import annotations

import functools
import glob
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.completion import completes_files
from epigept_batch.errors import InputError
from epigept_batch.expression.request import MOST_MISSING, SampleRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TPM, SHEET = "--tpm", "--samples"


class SampleCommand(click.Command):
    """A command whose `--tpm` takes all words up to the next option, so that `--tpm *.tsv` works."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `--tpm` before each of its values, then parse as Click does."""
        if ctx.resilient_parsing:  # a shell asks for completions, and the last value may be missing
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, list(_each_with_its_option(args)))


def _each_with_its_option(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command with `--tpm` before each of its values. Words after `--` stay as they are."""
    taking = False
    for number, word in enumerate(words):
        if word == "--":
            yield from words[number:]
            return
        if word == TPM or word.startswith(f"{TPM}="):
            taking = word != TPM  # the word after a bare --tpm is its value in any case
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


WHERE = (
    click.option(
        TPM,
        multiple=True,
        metavar="[NAME=]FILE …",
        shell_complete=completes_files,
        help="Expression table: RSEM, salmon, kallisto, StringTie, featureCounts, GCT, a matrix or .h5ad. One or more "
        "files or quoted patterns; repeatable.",
    ),
    click.option(
        SHEET,
        type=click.Path(path_type=Path),
        metavar="SHEET",
        help="Sample sheet: a table with columns `sample` and `file`, relative to the sheet. In files with several "
        "samples, `column` names the column, by default `sample`. Other columns are copied into run.json. Can be "
        "combined with --tpm.",
    ),
)
"""Options that name tables."""
CHOICE = (
    click.option("--sample", multiple=True, metavar="NAME", help="Sample to use; repeatable.  [default: all]"),
    click.option("--merge", metavar="NAME", help="Average all samples, as replicates, into one of this name."),
)
"""Options that choose among their samples."""
HOW = (
    click.option(
        "--tx2gene",
        type=click.Path(path_type=Path),
        help="Genes of transcripts, for transcript-level tables: GTF, GFF3 or a table.",
    ),
    click.option("--group-by", metavar="COLUMN", help="For .h5ad: column of obs whose groups of cells become samples."),
    click.option(
        "--max-missing",
        type=click.FloatRange(0, 1),
        default=MOST_MISSING,
        show_default=True,
        metavar="SHARE",
        help="Largest allowed share of missing factors, which are treated as TPM 0.",
    ),
    click.option("--normalised", is_flag=True, help="The tables contain quantile-normalised TPM already."),
)
"""Options on how tables are read."""


def sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a `SampleCommand`; they arrive as one argument, `samples`."""
    return _with_samples(command, required=True)


def optional_sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a `SampleCommand` whose `samples` may be None."""
    return _with_samples(command, required=False)


def optional_table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a `SampleCommand` that has its own choice of samples; they arrive as `tables`, maybe None."""

    @functools.wraps(command)
    def with_tables(*, sample: tuple[str, ...], **others: Any) -> None:  # noqa: ANN401 - the command's own
        tables, rest = _request(others)
        command(tables=_or_none(tables), samples=sample, **rest)

    for option in reversed((*WHERE, *HOW)):
        with_tables = option(with_tables)
    return with_tables


def _with_samples(command: Callable[..., None], *, required: bool) -> Callable[..., None]:
    """Return the command with all options."""

    @functools.wraps(command)
    def with_samples(
        *,
        sample: tuple[str, ...],
        merge: str | None,
        **others: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        tables, rest = _request(others)
        wanted = _or_none(replace(tables, samples=sample, merge=merge))
        if wanted is None and required:
            raise click.UsageError(f"Missing option '{TPM}' or '{SHEET}'.")
        command(samples=wanted, **rest)

    for option in reversed((*WHERE, *CHOICE, *HOW)):
        with_samples = option(with_samples)
    return with_samples


def _request(options: Mapping[str, Any]) -> tuple[SampleRequest, dict[str, Any]]:
    """Return the request for the tables that options describe, and the other options."""
    rest = dict(options)
    tpm: tuple[str, ...] = rest.pop("tpm")
    sheet: Path | None = rest.pop("samples")
    how = {name: rest.pop(name) for name in ("tx2gene", "group_by", "max_missing", "normalised")}
    tables = tuple(table for value in tpm for table in parse_tables(value))
    return SampleRequest(tables=tables, sheet=sheet, **how), rest


def _or_none(request: SampleRequest) -> SampleRequest | None:
    """Return the request, or None if no option is given.

    Raises:
        InputError: Options say how to read tables, but no table is given.
    """
    if request.tables or request.sheet is not None:
        return request
    if request != SampleRequest(()):
        raise InputError(
            f"options select samples, but there is no table to select from; add {TPM} FILE or {SHEET} SHEET"
        )
    return None


def parse_tables(value: str) -> list[tuple[str | None, Path]]:
    """Read a value of `--tpm`: `FILE`, `NAME=FILE`, or a pattern such as `'quants/*/quant.sf'`.

    Returns:
        Name of the sample, or None, and path of each table; several where a pattern matches several files, sorted.

    Raises:
        InputError: There is no name before the equals sign, or no file after it; a pattern matches no file, or several
            files share one name.
    """
    name, equals, file = value.partition("=")
    if not equals or Path(value).exists():
        return [(None, path) for path in _matching(value)]
    if not file:
        raise InputError(f"--tpm {value}: no file after '='; use --tpm NAME=FILE")
    if not name:
        raise InputError(f"--tpm {value}: no sample name before '='; use --tpm NAME=FILE")
    paths = _matching(file)
    if len(paths) > 1:
        raise InputError(
            f"--tpm {value}: {len(paths)} files match, but there is one name; use --tpm NAME=FILE for each"
        )
    return [(name, paths[0])]


def _matching(file: str) -> list[Path]:
    """Return a path, or the files that a pattern matches. A file whose name looks like a pattern is itself."""
    if not glob.has_magic(file) or Path(file).exists():
        return [Path(file)]
    found = sorted(glob.glob(file, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    paths = [path for path in map(Path, found) if not path.is_dir()]
    if not paths:
        raise InputError(f"--tpm {file}: no file matches this pattern")
    return paths
