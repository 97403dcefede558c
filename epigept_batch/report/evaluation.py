"""What a report says about an evaluation: the main figures of a file that `epigept-batch evaluate` wrote."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.bounds import read_whole
from epigept_batch.errors import InputError, reason
from epigept_batch.evaluation.contacts import table as contact_table
from epigept_batch.evaluation.report import MEAN, NEAREST, PREDICTION, SEEN, UNSEEN
from epigept_batch.evaluation.table import KEYS, rows_of
from epigept_batch.report.parts import UNKNOWN, Section, Table, Words, decimal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from epigept_batch.results.folder import RunFolder

ALL, ALL_DISTANCES = "all", "all distances"
PARTS = (ALL, SEEN, UNSEEN, ALL_DISTANCES)
"""Parts of the genome whose figures the report has; those of chromosomes are only in the file."""
FIGURES = ("pearson_log1p", "spearman", "partial_pearson")
OF_CONTACTS = ("auroc", "auprc", "pearson", "spearman")
MAKE_ONE = "make one with epigept-batch evaluate --predicted DIR … --out FILE"


@dataclass(frozen=True)
class EvaluationFile:
    """The figures of an evaluation.

    Attributes:
        path: The file.
        sha256: Its digest.
        rows: A row per sample, track, part and predictor, by column; figures are still text.
        of_contacts: Whether contacts were compared, not tracks.
    """

    path: Path
    sha256: str
    rows: Sequence[Mapping[str, str]]
    of_contacts: bool


def read_evaluation(path: Path, folder: RunFolder) -> EvaluationFile:
    """Read the table of `evaluate --out`, or the document of `evaluate --json`.

    Rows on samples that are not in the folder are left out.

    Raises:
        InputError: It cannot be read, is another file, or has no row on a sample of the folder.
    """
    try:
        content = read_whole(path)
        text = content.decode()
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not a table of an evaluation; {MAKE_ONE}", path) from error
    rows, of_contacts = _rows_of_json(text, path) if text.lstrip().startswith(("[", "{")) else _rows_of_tsv(text, path)
    names = {sample.name for sample in folder.samples}
    known = [row for row in rows if row["sample"] in names]
    if not known:
        others = ", ".join(dict.fromkeys(row["sample"] for row in rows))
        raise InputError(f"has figures of {others or 'no sample'}, and of no sample of {folder.path}; {MAKE_ONE}", path)
    return EvaluationFile(path, hashlib.sha256(content).hexdigest(), known, of_contacts)


def evaluation_section(evaluation: EvaluationFile) -> Section:
    """Return the correlation of predictions with measurements, beside that of the baselines."""
    words = Words(
        f"From {evaluation.path}, SHA-256 {evaluation.sha256}. The report does not check that these figures are of the "
        "same run."
    )
    rows = [row for row in evaluation.rows if row["part"] in PARTS]
    left_out = len(evaluation.rows) - len(rows)
    more = [Words("Figures of single chromosomes or distances are in the file only.")] if left_out else []
    return Section(
        "evaluation", "Evaluation", [words, _contacts(rows) if evaluation.of_contacts else _tracks(rows), *more]
    )


def _rows_of_tsv(text: str, path: Path) -> tuple[list[dict[str, str]], bool]:
    lines = text.splitlines()
    columns = lines[0].split("\t") if lines else []
    for keys, of_contacts in ((KEYS, False), (contact_table.KEYS, True)):
        needed = (*keys, *(OF_CONTACTS if of_contacts else FIGURES))
        if tuple(columns[: len(keys)]) == keys and set(needed) <= set(columns):
            rows = []
            for number, line in enumerate(lines[1:], 2):
                cells = line.split("\t")
                if len(cells) != len(columns):
                    raise InputError(f"has {len(cells)} columns instead of {len(columns)}; {MAKE_ONE}", path, number)
                rows.append(dict(zip(columns, cells, strict=True)))
                _check_figures(rows[-1], needed[len(keys) :], path, number)
            return rows, of_contacts
    raise InputError(f"not a table of an evaluation; {MAKE_ONE}", path)


def _rows_of_json(text: str, path: Path) -> tuple[list[dict[str, str]], bool]:
    try:
        documents = json.loads(text)
        rows = [row for document in documents for row in rows_of(document)]
        found = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
        for row in found:
            _check_figures(row, FIGURES, path, None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"not the JSON of an evaluation of tracks; {MAKE_ONE}", path) from error
    return found, False


def _check_figures(row: Mapping[str, str], names: Iterable[str], path: Path, line: int | None) -> None:
    for name in names:
        try:
            _number(row[name])
        except ValueError as error:
            raise InputError(f"{name} is not a number: '{row[name]}'; {MAKE_ONE}", path, line) from error


def _tracks(rows: Sequence[Mapping[str, str]]) -> Table:
    cells = []
    for (sample, track, part), predictors in _by(rows, ("sample", "track", "part")):
        own = predictors.get(PREDICTION, {})
        cells.append(
            (
                sample,
                track,
                part,
                _count(own.get("bins")),
                *(
                    decimal(_number(predictors.get(name, {}).get("pearson_log1p")))
                    for name in (PREDICTION, MEAN, NEAREST)
                ),
                decimal(_number(own.get("partial_pearson"))),
                decimal(_number(own.get("spearman"))),
            )
        )
    return Table(
        "Correlation with measured tracks. r is Pearson's, of ln(1 + signal).",
        (
            "Sample",
            "Track",
            "Part",
            "Bins",
            "r of the prediction",
            "r of the mean of training cells",
            "r of the nearest training cell",
            "r, given the mean",
            "Spearman's r of the prediction",
        ),
        cells,
        frozenset({1, 2}),
    )


def _contacts(rows: Sequence[Mapping[str, str]]) -> Table:
    return Table(
        "Agreement with measured contacts, all distances",
        ("Sample", "Compared with", "Predictor", "Pairs", "AUROC", "AUPRC", "Pearson r", "Spearman's r"),
        [
            (
                row["sample"],
                row["against"],
                row["predictor"],
                _count(row["pairs"]),
                *(decimal(_number(row[name])) for name in OF_CONTACTS),
            )
            for row in rows
        ],
        frozenset({1, 2}),
    )


def _by(
    rows: Sequence[Mapping[str, str]], keys: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], dict[str, Mapping[str, str]]]]:
    """Yield the rows of each combination of keys by predictor, in order of first appearance."""
    found: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), {})[row["predictor"]] = row
    yield from found.items()


def _number(text: str | None) -> float | None:
    """Return a figure; None if it is not defined.

    Raises:
        ValueError: It is not a number.
    """
    value = float(text) if text else None
    return value if value is None or math.isfinite(value) else None


def _count(text: str | None) -> str:
    return f"{int(text):,}" if text is not None and text.isdecimal() else UNKNOWN
