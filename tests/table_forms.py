"""One matrix of genes and samples in every layout that programs write, with the expected result.

`every_form()` returns all combinations. `write` returns the bytes and the truth of a form, from a seed. `judge` reads
them and returns whether the result was right, refused or wrong.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.expression.gene_ids import _factor_ids
from expression import read_all

if TYPE_CHECKING:
    from pathlib import Path

GENES = [
    (row["ensembl_id"], row["factor"]) for row in _factor_ids() if row["ensembl_id"] and ";" not in row["ensembl_id"]
]
OTHERS = [(f"ENSG9{number:010d}", f"GENE{number}") for number in range(40)]
FACTORS = tuple(factor for _, factor in GENES[:45])
ROWS = [gene for pair in zip(GENES[:40], OTHERS, strict=True) for gene in pair] + GENES[40:45]
"""More rows than the lines that the reader inspects first."""
TWICE = GENES[3]
FIRST_ROWS, LATE = 12, 70
SAMPLES = ("liver", "lung", "P7")


@dataclass(frozen=True)
class Form:
    """How a table is laid out."""

    separator: str
    decimal: str
    header: str
    trailing: str
    before: str
    quotes: str
    annotation: str
    missing: str
    repeated: str

    def __str__(self) -> str:
        return " | ".join(f"{one.name}: {getattr(self, one.name)}" for one in fields(self))


CHOICES = {
    "separator": ("tab", "comma", "semicolon"),
    "decimal": ("point", "comma"),
    "header": ("named", "short", "blank", "hash"),
    "trailing": ("none", "rows", "header", "both", "some rows"),
    "before": ("nothing", "BOM", "comment", "BOM, comment", "blank lines"),
    "quotes": ("none", "text", "all", "alone", "separator within", "late"),
    "annotation": (
        "none",
        "text before",
        "text between",
        "text after",
        "numbers before",
        "numbers between",
        "numbers after",
        "nameless lengths",
    ),
    "missing": ("none", "first rows", "one", "column"),
    "repeated": ("none", "gene"),
}
MARKS = {"tab": "\t", "comma": ",", "semicolon": ";"}


def every_form():
    """Return all combinations."""
    return (Form(*choice) for choice in itertools.product(*CHOICES.values()))


def number_of_forms():
    """Return the number of combinations."""
    product = 1
    for choices in CHOICES.values():
        product *= len(choices)
    return product


def some_forms(number, seed):
    """Return `number` combinations, with every choice as often as the others of its kind."""
    rng = random.Random(seed)
    columns = []
    for choices in CHOICES.values():
        column = [choices[place % len(choices)] for place in range(number)]
        rng.shuffle(column)
        columns.append(column)
    return [Form(*choice) for choice in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Written:
    """The bytes of a table, and what it contains."""

    content: bytes
    truth: dict[str, dict[str, float]]
    incomplete: frozenset[str]


def write(form: Form, seed: int) -> Written:
    """Return the table in this form."""
    rng = random.Random(seed)
    mark = MARKS[form.separator]
    samples = SAMPLES[: rng.randint(2, 3)] if form.missing != "none" else SAMPLES[: rng.randint(1, 3)]
    values = {name: [_value(rng) for _ in ROWS] for name in samples}
    rows = list(range(len(ROWS)))
    if form.repeated == "gene":
        rows.insert(rng.randrange(len(rows)), ROWS.index(TWICE))
    columns = {name: [_number(values[name][row], form) for row in rows] for name in samples}
    incomplete = _take_out(form, columns, samples[-1], rng)
    header, table = _with_annotation(form, columns, rows, samples, rng)
    ids = [ROWS[row][0] for row in rows]
    lines = [[ids[place], *(column[place] for column in table)] for place in range(len(rows))]
    first = {"named": ["gene_id"], "short": [], "blank": [""], "hash": ["#gene_id"]}[form.header]
    text = [_quoted([*first, *header], form, mark, 0)]
    text += [_quoted(line, form, mark, number) for number, line in enumerate(lines, 1)]
    text = [_trailing(line, form, mark, number) for number, line in enumerate(text)]
    end = rng.choice(["\n", "\r\n"])
    before = {"comment": "# made by hand\n", "BOM, comment": "# made by hand\n", "blank lines": "\n\n"}.get(
        form.before, ""
    )
    content = (before + end.join(text) + end * rng.randint(0, 2)).encode()
    content = b"\xef\xbb\xbf" * ("BOM" in form.before) + content
    truth = {
        name: dict(zip((factor for _, factor in ROWS), map(float, values[name]), strict=True))
        for name in samples
        if not (form.missing == "column" and name in incomplete)
    }
    return Written(content, truth, incomplete)


def _value(rng):
    """Return a TPM as programs write it."""
    form = rng.choice(["{:.2f}", "{:.3f}", "{:.1f}", "{:.4g}", "{:.2e}"])
    return "0" if rng.random() < 0.2 else form.format(rng.gammavariate(0.5, 30) + 0.01)


def _number(value, form):
    return value.replace(".", ",") if form.decimal == "comma" else value


def _take_out(form, columns, sample, rng):
    cells = columns[sample]
    absent = rng.choice(["NA", "", "nan", "-", "#N/A"])
    if form.missing == "none":
        return frozenset()
    places = {"first rows": range(FIRST_ROWS), "one": [rng.randrange(len(cells))], "column": range(len(cells))}
    for place in places[form.missing]:
        cells[place] = absent
    return frozenset({sample})


def _with_annotation(form, columns, rows, samples, rng):
    """Return the names and cells of all columns after the ids."""
    text = [f"zinc finger {ROWS[row][1]}" for row in rows]
    if form.quotes == "alone":
        text[LATE] = '"opens and never closes'
        text[5] = '5" end'
    if form.quotes == "separator within":
        text = [f"zinc finger{MARKS[form.separator]} {ROWS[row][1]}" for row in rows]
    lengths = [str(rng.randrange(200, 90000)) for _ in rows]
    kind, _, place = form.annotation.partition(" ")
    named = {"text": ("description", text), "numbers": ("Transcript_Length(bp)", lengths), "nameless": ("bp2", lengths)}
    names, cells = list(samples), [columns[name] for name in samples]
    if kind in named:
        where = {"before": 0, "between": 1, "after": len(names), "lengths": 0}[place]
        names.insert(where, named[kind][0])
        cells.insert(where, named[kind][1])
    return names, cells


def _quoted(line, form, mark, number):
    """Join the fields of a line, with their quotes."""
    quoted = []
    for field in line:
        is_text = not field[:1].isdigit() and field not in {"", "-"}
        ask = {"all": True, "text": is_text, "separator within": is_text, "late": is_text and number > LATE}
        must = mark in field and not field.startswith('"')
        quoted.append(f'"{field}"' if (ask.get(form.quotes) or must) and '"' not in field else field)
    return mark.join(quoted)


def _trailing(line, form, mark, number):
    ends = {"rows": number > 0, "header": number == 0, "both": True, "some rows": number > 0 and number % 3 == 0}
    return line + mark * bool(ends.get(form.trailing))


def judge(form: Form, seed: int, path: Path) -> tuple[str, str]:
    """Return right, refused or wrong, and the message."""
    written = write(form, seed)
    path.write_bytes(written.content)
    complete = tuple(name for name in written.truth if name not in written.incomplete)
    try:
        found = read_all(path, factors=FACTORS)
    except InputError as error:
        if not written.incomplete or f" of {next(iter(written.incomplete))} " not in str(error):
            return "refused", str(error).replace(f"{path}:", "")
        try:  # the user chooses the other samples
            found = read_all(path, factors=FACTORS, samples=complete)
        except InputError as again:
            return "refused", str(again).replace(f"{path}:", "")
        written = Written(b"", {name: written.truth[name] for name in complete}, frozenset())
    single = len(written.truth) == 1 and len(found) == 1
    if not single and set(found) != set(written.truth):
        return "wrong", f"samples {sorted(found)} for {sorted(written.truth)}"
    for name, truth in written.truth.items():
        sample = next(iter(found.values())) if single else found[name]
        for factor, tpm in zip(FACTORS, sample.tpm.by_factor, strict=True):
            times = (
                {1.0, 2.0} if factor == TWICE[1] and form.repeated == "gene" and factor in str(sample.notes) else {1.0}
            )
            if not any(abs(tpm - truth[factor] * n) <= 1e-9 * max(1, truth[factor]) for n in times):
                return "wrong", f"{factor} of {name}: {tpm} for {truth[factor]}"
        if form.missing == "column" and written.incomplete and next(iter(written.incomplete)) not in str(sample.notes):
            return "wrong", "a column without a value is not said"
    return "right", ""
