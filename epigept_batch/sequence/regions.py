"""Parse the parts of the genome that a user selects: region strings, BED files, chromosome names."""

from __future__ import annotations

import gzip
import re
import zlib
from functools import cached_property
from typing import TYPE_CHECKING

from epigept_batch.assemblies import aliases_of, names_of, standard_name
from epigept_batch.bounds import GZIP_MAGIC, bounded_lines, open_gzip
from epigept_batch.errors import InputError, reason
from epigept_batch.tiling import Contig, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAIN_CHROMOSOMES = frozenset([*map(str, range(1, 23)), "X", "Y"])
NAMES_SHOWN = 5
BED_FIELDS = 3
PLACE = r"[0-9]{1,18}"
"""A position. No genome needs more digits, and Python refuses to convert more than 4,300."""


def select_regions(
    contigs: Sequence[Contig],
    *,
    regions: Sequence[str] = (),
    chromosomes: Sequence[str] = (),
    beds: Sequence[Path] = (),
    all_contigs: bool = False,
) -> list[Region]:
    """Return all regions that the options select.

    Without any option: chr1-22, X and Y, with or without `chr` or by accession, if the FASTA has them, else every
    contig. Names may follow another naming scheme than the FASTA's if one of the two is NCBI's.

    Raises:
        InputError: An unknown contig, a malformed or reversed region, or contradictory options.
    """
    by_name = {contig.name: contig for contig in contigs}
    if all_contigs and (regions or chromosomes or beds):
        raise InputError("--all-contigs selects the whole FASTA; remove --region, --chromosome and --bed")
    if not (regions or chromosomes or beds):
        main = [contig for contig in contigs if is_main(contig)]
        return [_whole(contig) for contig in (contigs if all_contigs else main or contigs)]
    chosen = [parse_region(text, by_name) for text in regions]
    chosen += [_whole(_Names(by_name).find(name, f"--chromosome {name}")) for name in chromosomes]
    return chosen + [region for bed in beds for region in read_bed(bed, by_name)]


def with_separators(region: str) -> str:
    """Return a region with separators between thousands, such as `chr2:1,000,001-2,000,000`.

    Args:
        region: The region, as records hold it: `contig:start-end`.
    """
    contig, colon, place = region.rpartition(":")
    return contig + colon + re.sub("[0-9]+", lambda number: f"{int(number[0]):,}", place)


def is_main(contig: Contig) -> bool:
    """Whether a contig is chr1-22, X or Y of any assembly, by any of its names."""
    return standard_name(contig).removeprefix("chr") in MAIN_CHROMOSOMES


def parse_region(text: str, contigs: Mapping[str, Contig], *, option: str = "--region") -> Region:
    """Read `contig`, `contig:start`, `contig:start-end` or `contig:-end`, 1-based and inclusive as in samtools.

    Contig names may contain colons, so the longest matching name wins. An end beyond the contig is clipped.

    Args:
        text: The region.
        contigs: The contigs, by their own names.
        option: Where the user gave the region, for messages.

    Raises:
        InputError: The contig is unknown, the text has another form, or the region is empty.
    """
    if text in contigs:
        return _whole(contigs[text])
    where = f"{option} {text}"
    name, colon, interval = text.rpartition(":")
    contig = _Names(contigs).find(name if colon else text, where)
    if not colon:
        return _whole(contig)
    match = re.fullmatch(rf"({PLACE})?(-?)({PLACE})?", interval.replace(",", ""))
    if not match or not (match[1] or match[3]):
        raise InputError(f"{where}: not of the form contig:start-end")
    start = int(match[1] or 1)
    end = int(match[3] or contig.length)
    if start < 1:
        raise InputError(f"{where}: positions start at 1")
    if start > contig.length:
        raise InputError(f"{where}: starts beyond the end of {contig.name}, which has {contig.length} bp")
    if start > end:
        raise InputError(f"{where}: ends before it starts; use contig:start-end")
    return Region(contig.name, start - 1, min(end, contig.length))


def read_bed(path: Path, contigs: Mapping[str, Contig]) -> list[Region]:
    """Read the intervals of a BED file, 0-based and half-open, with the names in its fourth column.

    An end beyond the contig is clipped. A name of `.` is none.

    Raises:
        InputError: With the line number, if a line cannot be used.
    """
    names = _Names(contigs)
    regions = [_bed_region(line, names, path, number) for number, line in bed_lines(path)]
    if not regions:
        raise InputError("no interval in the BED file", path)
    return regions


def read_intervals(path: Path, contigs: Sequence[Contig]) -> list[Region]:
    """Read a genome-wide BED file, such as a blacklist or peaks, for contigs that may be a subset of its genome.

    Names may differ by `chr` or be NCBI accessions. Intervals on other contigs are skipped.

    Returns:
        The intervals, clipped to the contigs and with the contigs' own names.

    Raises:
        InputError: It cannot be used, as in `read_bed`, or has no interval on these contigs.
    """
    by_name = by_any_name(contigs)
    others: set[str] = set()
    regions = []
    for number, line in bed_lines(path):
        name, start, end = _bed_fields(line, path, number)
        contig = by_name.get(name)
        if start >= end:
            raise InputError(f"interval {name} {start} {end} is reversed or empty", path, number)
        if contig is None:
            others.add(name)
        elif start < contig.length:
            regions.append(Region(contig.name, start, min(end, contig.length)))
        else:
            others.add(f"{name} beyond its end")
    if not regions and not others:
        raise InputError("no interval in the BED file", path)
    if not regions:
        ours = ", ".join(contig.name for contig in contigs[:NAMES_SHOWN])
        theirs = ", ".join(sorted(others)[:NAMES_SHOWN])
        raise InputError(f"no interval on the contigs of the tracks ({ours}), only on {theirs}", path)
    return regions


def by_any_name(contigs: Sequence[Contig]) -> dict[str, Contig]:
    """Return contigs by every name that a file may use for them; their own names come before those of others."""
    found = {name: contig for contig in contigs for name in names_of(contig)}
    return found | {contig.name: contig for contig in contigs}


def bed_lines(path: Path, *, kind: str = "BED") -> Iterator[tuple[int, str]]:
    """Yield the lines with an interval and their numbers, from 1.

    Args:
        path: A file, which may be gzip.
        kind: Its format, for messages.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
            content = open_gzip(stream, path) if packed else stream
            for number, line in enumerate(bounded_lines(content, path), 1):
                text = line.decode().rstrip("\r\n")
                if text.strip() and not text.startswith(("#", "track", "browser")):
                    yield number, text
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{kind} file cannot be read: {_why_unread(error)}", path) from error


def _why_unread(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not a text file"
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return reason(error)
    return "damaged or truncated gzip"


def _bed_region(line: str, names: _Names, path: Path, number: int) -> Region:
    name, start, last = _bed_fields(line, path, number)
    contig = names.find(name, f"{path}:{number}")
    end = min(last, contig.length)
    if start >= end:
        raise InputError(
            f"interval {contig.name} {start} {last} is reversed, empty or beyond the contig's end", path, number
        )
    return Region(contig.name, start, end, _bed_name(line))


def _bed_name(line: str) -> str:
    """Return the name in the fourth column, empty without one; what would break a line of a table becomes a space."""
    name = "".join(_split(line)[BED_FIELDS : BED_FIELDS + 1]).strip()
    return "" if name == "." else "".join(sign if sign.isprintable() else " " for sign in name)


def _split(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split()


def _bed_fields(line: str, path: Path, number: int) -> tuple[str, int, int]:
    """Return the first three columns."""
    fields = _split(line)
    places = [field.strip() for field in fields[1:BED_FIELDS]]
    if len(fields) < BED_FIELDS or not all(re.fullmatch(PLACE, place) for place in places):
        raise InputError("not a BED line; it must have contig, start and end, separated by tabs", path, number)
    return fields[0], int(places[0]), int(places[1])


def _whole(contig: Contig) -> Region:
    return Region(contig.name, 0, contig.length)


class _Names:
    """Looks up contigs by their own names, or else by their names in other naming schemes.

    Args:
        contigs: The contigs, by their own names.
    """

    def __init__(self, contigs: Mapping[str, Contig]) -> None:
        self._contigs = contigs

    def find(self, name: str, where: str) -> Contig:
        """Return the contig with that name; `where` is the beginning of an error message.

        Raises:
            InputError: No contig has that name, or more than one.
        """
        if name in self._contigs:
            return self._contigs[name]
        found = self._aliases.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{where}: '{name}' matches {' and '.join(one.name for one in found)}; use one of these names"
            )
        other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
        shown = ", ".join(list(self._contigs)[:NAMES_SHOWN]) + (", …" if len(self._contigs) > NAMES_SHOWN else "")
        advice = f"did you mean '{other}'?" if other in self._contigs else f"its contigs are {shown}"
        if re.fullmatch(r"[\d,]+-[\d,]+|\w+-[\d,]+-[\d,]+", name):
            advice += "; a region is CONTIG:START-END, such as chr2:1,000,001-2,000,000"
        raise InputError(f"{where}: the genome has no contig '{name}'; {advice}")

    @cached_property
    def _aliases(self) -> Mapping[str, list[Contig]]:
        aliases: dict[str, list[Contig]] = {}
        for contig in self._contigs.values():
            for name in aliases_of(contig):
                aliases.setdefault(name, []).append(contig)
        return aliases
