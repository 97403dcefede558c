"""What part of the genome a user asks for: region strings, BED files, chromosome names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig, Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAIN_CHROMOSOMES = frozenset([*map(str, range(1, 23)), "X", "Y"])
NAMES_SHOWN = 5
BED_FIELDS = 3


def select_regions(
    contigs: Sequence[Contig],
    *,
    regions: Sequence[str] = (),
    chromosomes: Sequence[str] = (),
    beds: Sequence[Path] = (),
    all_contigs: bool = False,
) -> list[Region]:
    """The regions that the options ask for, together.

    Without any, chr1-22, X and Y, with or without `chr`, where the FASTA has them, else every contig.

    Raises:
        InputError: An unknown contig, a malformed or reversed region, or options that contradict each other.
    """
    by_name = {contig.name: contig for contig in contigs}
    if all_contigs and (regions or chromosomes or beds):
        raise InputError("--all-contigs takes the whole FASTA; leave out --region, --chromosome and --bed")
    if not (regions or chromosomes or beds):
        main = [contig for contig in contigs if contig.name.removeprefix("chr") in MAIN_CHROMOSOMES]
        return [_whole(contig) for contig in (contigs if all_contigs else main or contigs)]
    chosen = [parse_region(text, by_name) for text in regions]
    chosen += [_whole(_find(name, by_name, f"--chromosome {name}")) for name in chromosomes]
    return chosen + [region for bed in beds for region in read_bed(bed, by_name)]


def parse_region(text: str, contigs: Mapping[str, Contig]) -> Region:
    """Read `contig`, `contig:start`, `contig:start-end` or `contig:-end`, 1-based and inclusive as in samtools.

    The longest contig name that fits wins, since names may hold colons; an end beyond the contig is clipped.

    Raises:
        InputError: No such contig, no such form, or nothing between start and end.
    """
    if text in contigs:
        return _whole(contigs[text])
    where = f"--region {text}"
    name, colon, interval = text.rpartition(":")
    contig = _find(name if colon else text, contigs, where)
    match = re.fullmatch(r"(\d*)(-?)(\d*)", interval.replace(",", ""))
    if not match or not (match[1] or match[3]):
        raise InputError(f"{where}: is not of the form contig:start-end")
    start = int(match[1] or 1)
    end = int(match[3] or contig.length)
    if start < 1:
        raise InputError(f"{where}: positions count from 1")
    if start > contig.length:
        raise InputError(f"{where}: starts beyond the end of {contig.name}, {contig.length}")
    if start > end:
        raise InputError(f"{where}: ends before it starts; give contig:start-end")
    return Region(contig.name, start - 1, min(end, contig.length))


def read_bed(path: Path, contigs: Mapping[str, Contig]) -> list[Region]:
    """Read the first three columns of a BED file, 0-based and half-open; an end beyond the contig is clipped.

    Raises:
        InputError: With the line, where it cannot be used.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise InputError(f"BED file cannot be read: {reason}", path) from error
    regions = [
        _bed_region(line, contigs, path, number)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith(("#", "track", "browser"))
    ]
    if not regions:
        raise InputError("BED file holds no interval", path)
    return regions


def _bed_region(line: str, contigs: Mapping[str, Contig], path: Path, number: int) -> Region:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) < BED_FIELDS or not (fields[1].isdecimal() and fields[2].strip().isdecimal()):
        raise InputError("a BED line is contig, start and end, separated by tabs", path, number)
    contig = _find(fields[0], contigs, f"{path}:{number}")
    start, end = int(fields[1]), min(int(fields[2]), contig.length)
    if start >= end:
        raise InputError(
            f"{contig.name} {start} {fields[2].strip()} is reversed, empty or beyond the contig's end",
            path,
            number,
        )
    return Region(contig.name, start, end)


def _whole(contig: Contig) -> Region:
    return Region(contig.name, 0, contig.length)


def _find(name: str, contigs: Mapping[str, Contig], where: str) -> Contig:
    """The contig of that name; `where` begins the message if there is none."""
    if name in contigs:
        return contigs[name]
    other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
    shown = ", ".join(list(contigs)[:NAMES_SHOWN]) + (", …" if len(contigs) > NAMES_SHOWN else "")
    advice = f"did you mean '{other}'?" if other in contigs else f"it has {shown}"
    raise InputError(f"{where}: the FASTA has no contig '{name}'; {advice}")
