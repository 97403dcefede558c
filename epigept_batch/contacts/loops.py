"""Read what is known of single pairs of places: loops as BEDPE, and tested enhancer-gene pairs as a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.bounds import read_unpacked
from epigept_batch.errors import InputError, reason
from epigept_batch.sequence.regions import PLACE, bed_lines, by_any_name
from epigept_batch.tiling import Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from epigept_batch.tiling import Contig

BEDPE_FIELDS = 6
UNKNOWN = "."
"""What BEDPE has in place of the contig of an unknown anchor."""
PAIR_COLUMNS = ("chrom", "chromStart", "chromEnd", "startTSS", "endTSS", "Regulated")
"""The columns that are read of the ENCODE benchmark of enhancer-gene pairs (EngreitzLab/CRISPR_comparison)."""
LABELS = {"TRUE": True, "FALSE": False, "1": True, "0": False}
MISSING = frozenset({"", "NA"})
NAMES_SHOWN = 3


@dataclass(frozen=True)
class Anchors:
    """Two places on one contig.

    Attributes:
        first: The place that starts first.
        second: The other one.
    """

    first: Region
    second: Region


@dataclass(frozen=True)
class Loops:
    """The loops of a file.

    Attributes:
        loops: Loops within the given contigs, with the contigs' own names and clipped to them, in the file's order.
        trans: Number of loops between two contigs.
        elsewhere: Number of loops on other contigs than the given ones, or with an unknown anchor.
        beyond: Number of loops with an anchor beyond the end of its contig.
    """

    loops: tuple[Anchors, ...]
    trans: int = 0
    elsewhere: int = 0
    beyond: int = 0


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of an enhancer and a promoter that an experiment tested.

    Attributes:
        pairs: Pairs within the given contigs, in the file's order.
        regulated: Whether the enhancer regulates the gene, for each pair.
        elsewhere: Number of pairs on other contigs.
        beyond: Number of pairs with an anchor beyond the end of its contig.
        unlabelled: Number of pairs without a label or without a promoter.
    """

    pairs: tuple[Anchors, ...]
    regulated: tuple[bool, ...]
    elsewhere: int = 0
    beyond: int = 0
    unlabelled: int = 0


def read_loops(path: Path, contigs: Sequence[Contig]) -> Loops:
    """Read a BEDPE file: six columns or more, 0-based and half-open, plain or gzip.

    Contig names may differ by `chr` or be NCBI accessions. The anchors may come in either order. Lines that begin with
    `#`, `track` or `browser` are skipped; so is a first line of column names.

    Args:
        path: The file.
        contigs: The contigs of the map.

    Raises:
        InputError: A line cannot be used, or there is no loop on these contigs.
    """
    by_name = by_any_name(contigs)
    found: list[Anchors] = []
    skipped = dict.fromkeys(("trans", "elsewhere", "beyond"), 0)
    names: dict[str, None] = {}
    lines = 0
    for number, line in bed_lines(path, kind="BEDPE"):
        fields = _bedpe_fields(line)
        lines += 1
        if lines == 1 and _is_header(fields):
            continue
        one, other = _anchor(fields[:3], path, number), _anchor(fields[3:6], path, number)
        names |= dict.fromkeys(region.contig for region in (one, other) if region is not None)
        loop = _placed(one, other, by_name)
        if isinstance(loop, Anchors):
            found.append(loop)
        else:
            skipped[loop] += 1
    if not found:
        raise InputError(_none_found("loop", skipped, names, contigs), path)
    return Loops(tuple(found), **skipped)


def read_labelled_pairs(path: Path, contigs: Sequence[Contig]) -> LabelledPairs:
    """Read a table of tested enhancer-gene pairs, tab-separated with the column names of the ENCODE benchmark.

    Args:
        path: The file, plain or gzip.
        contigs: The contigs of the map.

    Raises:
        InputError: A column is missing, a line cannot be used, or there is no labelled pair on these contigs.
    """
    by_name = by_any_name(contigs)
    found: list[Anchors] = []
    labels: list[bool] = []
    skipped = dict.fromkeys(("elsewhere", "beyond", "unlabelled"), 0)
    names: dict[str, None] = {}
    for number, row in _rows(path):
        label, places = row["Regulated"].upper(), [row[name] for name in PAIR_COLUMNS[1:5]]
        if label in MISSING or MISSING.intersection(places[2:]):
            skipped["unlabelled"] += 1
            continue
        if label not in LABELS:
            raise InputError(f"Regulated is '{row['Regulated']}'; it must be TRUE or FALSE", path, number)
        names[row["chrom"]] = None
        enhancer = _anchor([row["chrom"], *places[:2]], path, number)
        promoter = _anchor([row["chrom"], *places[2:]], path, number)
        pair = _placed(enhancer, promoter, by_name)
        if isinstance(pair, Anchors):
            found.append(pair)
            labels.append(LABELS[label])
        else:
            skipped[pair] += 1
    if not found:
        raise InputError(_none_found("labelled pair", skipped, names, contigs), path)
    return LabelledPairs(tuple(found), tuple(labels), **skipped)


def is_pair_table(path: Path) -> bool:
    """Whether the first line that is not a comment has any column name of a table of tested pairs.

    Raises:
        InputError: The file cannot be read.
    """
    first = next((line for _, line in bed_lines(path, kind="BEDPE or TSV")), "")
    return bool(set(first.split("\t")) & set(PAIR_COLUMNS))


def _bedpe_fields(line: str) -> list[str]:
    return [field.strip() for field in (line.split("\t") if "\t" in line else line.split())]


def _is_header(fields: Sequence[str]) -> bool:
    """Whether none of the columns of positions has a number."""
    places = [fields[column] for column in (1, 2, 4, 5) if column < len(fields)]
    return len(places) == 4 and not any(re.search(r"^-?[0-9.]", place) for place in places)  # noqa: PLR2004


def _anchor(fields: Sequence[str], path: Path, number: int) -> Region | None:
    """Return an anchor as the file has it; None if it is unknown.

    Raises:
        InputError: The fields are not contig, start and end, or the interval is empty.
    """
    if len(fields) == 3 and fields[0] == UNKNOWN:  # noqa: PLR2004
        return None
    if len(fields) < 3 or not all(re.fullmatch(PLACE, place) for place in fields[1:]):  # noqa: PLR2004
        raise InputError(
            "not two anchors of contig, start and end; positions must be whole numbers of base pairs, in the columns "
            "of BEDPE or of the ENCODE benchmark",
            path,
            number,
        )
    start, end = int(fields[1]), int(fields[2])
    if start >= end:
        raise InputError(f"anchor {fields[0]} {start} {end} is reversed or empty", path, number)
    return Region(fields[0], start, end)


def _placed(one: Region | None, other: Region | None, by_name: Mapping[str, Contig]) -> Anchors | str:
    """Return two anchors in order on a contig of ours, clipped to it; or why they are left out."""
    if one is None or other is None:
        return "elsewhere"
    contig, its = by_name.get(one.contig), by_name.get(other.contig)
    if contig != its or (contig is None and one.contig != other.contig):
        return "trans"
    if contig is None:
        return "elsewhere"
    if max(one.start, other.start) >= contig.length:
        return "beyond"
    first, second = sorted(
        (Region(contig.name, place.start, min(place.end, contig.length)) for place in (one, other)),
        key=lambda place: (place.start, place.end),
    )
    return Anchors(first, second)


def _none_found(what: str, skipped: Mapping[str, int], names: Mapping[str, None], contigs: Sequence[Contig]) -> str:
    """Explain why no line is left."""
    if not any(skipped.values()):
        return f"no {what} in the file"
    ours, theirs = (", ".join(list(each)[:NAMES_SHOWN]) for each in ([contig.name for contig in contigs], names))
    why = ", ".join(f"{number:,} {WHY[kind]}" for kind, number in skipped.items() if number)
    only = f", only on {theirs}" if theirs else ""
    return f"no {what} on the contigs of the map ({ours}){only}: {why}"


WHY = {
    "trans": "between contigs",
    "elsewhere": "on other contigs",
    "beyond": "beyond the end of a contig",
    "unlabelled": "without a label",
}
"""Why lines are left out, in words."""


def _rows(path: Path) -> Sequence[tuple[int, dict[str, str]]]:
    """Return the rows of a table by column, with their line numbers."""
    try:
        lines = read_unpacked(path).decode().splitlines()
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text file", path) from error
    texts = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not texts:
        raise InputError("no table in the file", path)
    header = [name.strip().strip('"') for name in texts[0][1].split("\t")]
    if missing := [name for name in PAIR_COLUMNS if header.count(name) != 1]:
        raise InputError(
            f"columns missing or repeated: {', '.join(missing)}; use the names of the ENCODE benchmark", path
        )
    return [(number, _row(line, header, path, number)) for number, line in texts[1:]]


def _row(line: str, header: Sequence[str], path: Path, number: int) -> dict[str, str]:
    fields = [field.strip().strip('"') for field in line.split("\t")]
    if len(fields) != len(header):
        raise InputError(f"{len(fields)} columns, but {len(header)} in the header", path, number)
    return dict(zip(header, fields, strict=True))
