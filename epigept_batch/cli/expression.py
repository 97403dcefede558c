"""`epigept-batch expression`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import json_option, out_option
from epigept_batch.cli.samples import SampleCommand, sample_options
from epigept_batch.expression.notes import said_once
from epigept_batch.home import default_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from epigept_batch.expression.request import SampleRequest

HEADER = ("sample", "format", "rows", "sum", "values", "factors found", "nearest training cell")
KIND = [HEADER.index(name) for name in ("format", "rows", "values", "factors found")]
MOST_ROWS, FIRST_ROWS, LAST_ROWS, MOST_KINDS, MOST_NOTES = 24, 12, 4, 5, 12
"""Limits that keep a report of any number of samples on one screen."""


@click.command(cls=SampleCommand, short_help="Inspect expression tables before a run.")
@sample_options
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file, for its factors and training cells.  [default: the file that `epigept-batch setup` installed; "
    "without one, the published factors]",
)
@out_option("Write the vector of a single sample.", name="write", aliases=("--write",), metavar="FILE")
@json_option("the report")
def expression(*, samples: SampleRequest, model: Path | None, write: Path | None, as_json: bool) -> None:
    """Report what a table contains: TPM or not, which factors it has, and the nearest training cell.

    `genome` runs the same checks. --out writes three values per factor: TPM, quantile-normalised TPM, and ln(1 + x) of
    the latter, which the network reads.

    \b
    Example:
      epigept-batch expression --tpm sample.tsv --model model.onnx --out vector.tsv
    """
    from epigept_batch.commands.expression import ExpressionRequest, run_expression

    if model is None and default_model().exists():
        model = default_model()
    accounts = run_expression(ExpressionRequest(samples, model=model, write=write))
    if as_json:
        click.echo(json.dumps(accounts, indent=2))
        return
    for line in (*_shown_rows(accounts), *_shown_notes(accounts)):
        click.echo(line)


def _shown_rows(accounts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a row per table; of many, the first and last rows and a count per kind."""
    rows = [row for account in accounts for row in _rows(account)]
    if len(rows) <= MOST_ROWS:
        yield from _table([HEADER, *rows])
        return
    lines = list(_table([HEADER, *rows[:FIRST_ROWS], *rows[-LAST_ROWS:]]))
    yield from lines[: 1 + FIRST_ROWS]
    yield f"… {len(rows) - FIRST_ROWS - LAST_ROWS:,} more; use --json for all"
    yield from lines[1 + FIRST_ROWS :]
    kinds = Counter(", ".join(row[column] for column in KIND) for row in rows).most_common()
    yield f"{len(rows):,} in total: " + "; ".join(f"{times:,} of {kind}" for kind, times in kinds[:MOST_KINDS])
    if len(kinds) > MOST_KINDS:
        yield f"… {len(kinds) - MOST_KINDS:,} more kinds; use --json for all"


def _shown_notes(accounts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the notes on all samples, each once; of many, the first."""
    lines = list(said_once([(account["sample"], list(_notes(account))) for account in accounts]))
    most = MOST_NOTES if len(accounts) > MOST_ROWS else len(lines)
    yield from lines[:most]
    if len(lines) > most:
        yield f"… {len(lines) - most:,} more notes; use --json for all"


def _rows(account: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield a row per table of the sample."""
    factors, nearest = account["factors"], account["nearest_cell"]
    total = factors["found"] + len(factors["missing"])
    found = f"{factors['found']} of {total}" + (f", {factors['by_alias']} by alias" if factors["by_alias"] else "")
    cell = f"{nearest['cell']}, rank correlation {nearest['r']:.3f}" if nearest else "no reference"
    for table in account["tables"]:
        rows = f"{table['rows']:,} {table['level']}"
        yield account["sample"], table["format"], rows, f"{table['sum']:,.0f}", table["verdict"], found, cell


def _notes(account: Mapping[str, Any]) -> Iterator[str]:
    """Yield the notes on a sample."""
    yield from account["notes"]
    factors = account["factors"]
    if factors["renamed"]:
        yield "found under an alias: " + ", ".join(f"{factor} as {name}" for factor, name in factors["renamed"].items())
    if factors["missing"]:
        yield f"missing, treated as TPM 0: {', '.join(factors['missing'])}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
