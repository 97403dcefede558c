"""What a report says about expression: factors found and missing, and where samples lie among the training cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from epigept_batch.report.parts import UNKNOWN, Items, Section, Table, Words, count, decimal, listed
from epigept_batch.report.provenance import notes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from epigept_batch.results.folder import RunFolder, SampleResults

MOST_SAMPLES = 6
"""Samples that are named together."""


def expression_section(folder: RunFolder) -> Section:
    """Return the factors, the verdict of each table, the nearest training cell, and the notes."""
    samples = [sample for sample in folder.samples if "perturbation" not in sample.any_record]
    samples = samples or list(folder.samples)
    parts: list[Any] = [
        Table(
            "Expression tables",
            ("Sample", "Table is", "Values are", "Level", "Rows", "Factors found", "By another name", "Missing"),
            [_table_row(sample) for sample in samples],
            frozenset({1, 2, 3}),
        ),
        *_names(samples),
        Words(
            "Each sample is compared with the cells that the network was trained on, by Spearman's r of TPM over the "
            "factors. The nearest cell is the one with the highest r. The median over all cells shows what an "
            "unrelated cell would have."
        ),
        Table(
            "Samples among the training cells",
            ("Sample", "Nearest training cell", "r", "Median r of all cells"),
            [_nearest_row(sample) for sample in samples],
            frozenset({1}),
        ),
    ]
    if notes := notes_of(folder):
        parts.append(Items("Notes on the samples", notes, is_warning=True))
    return Section("expression", "Expression", parts)


def factors_of(sample: SampleResults) -> tuple[int | None, int | None]:
    """Return the number of factors that were found, and the number of all."""
    factors = sample.any_record.get("factors")
    if not factors:
        return None, None
    found = int(factors["found"])
    return found, found + len(factors["missing"])


def _table_row(sample: SampleResults) -> tuple[str, ...]:
    tables = sample.any_record.get("expression", {}).get("tables", ())
    factors = sample.any_record.get("factors") or {}

    def of_tables(key: str) -> str:
        return ", ".join(dict.fromkeys(str(table.get(key)) for table in tables)) or UNKNOWN

    found, every = factors_of(sample)
    return (
        sample.name,
        of_tables("format"),
        of_tables("verdict"),
        of_tables("level"),
        ", ".join(f"{table['rows']:,}" for table in tables) or UNKNOWN,
        UNKNOWN if found is None else f"{found:,} of {every:,}",
        count(factors.get("by_alias")),
        count(None if not factors else len(factors["missing"])),
    )


def _nearest_row(sample: SampleResults) -> tuple[str, ...]:
    nearest: Mapping[str, Any] = sample.any_record.get("expression", {}).get("nearest_cell") or {}
    return (
        sample.name,
        str(nearest.get("cell", UNKNOWN)),
        decimal(nearest.get("r")),
        decimal(nearest.get("median_r")),
    )


def _names(samples: list[SampleResults]) -> Iterator[Items]:
    """Yield the names of factors that are missing or have another name, once for samples that share them."""
    missing: dict[str, list[str]] = {}
    renamed: dict[str, list[str]] = {}
    repeated: dict[str, list[str]] = {}
    for sample in samples:
        factors = sample.any_record.get("factors") or {}
        if names := factors.get("missing"):
            missing.setdefault(", ".join(names), []).append(sample.name)
        if pairs := factors.get("renamed"):
            said = ", ".join(f"{factor} as {found}" for factor, found in pairs.items())
            renamed.setdefault(said, []).append(sample.name)
        if rows := factors.get("repeated"):
            repeated.setdefault(", ".join(map(str, rows)), []).append(sample.name)
    for title, found in (
        ("Missing factors, which count as TPM 0", missing),
        ("Factors found by another name", renamed),
        ("Factors with several rows", repeated),
    ):
        if found:
            yield Items(title, [f"{listed(names, MOST_SAMPLES)}: {said}" for said, names in found.items()])
