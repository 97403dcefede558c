"""Gene models from GTF, BED or UCSC's gene tables, one per gene, to show beside tracks."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.sequence.regions import NAMES_SHOWN, PLACE, bed_lines, by_any_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from epigept_batch.tiling import Contig, Span

GTF_FIELDS, BED_FIELDS, BED12_FIELDS, GENE_PRED_FIELDS = 9, 3, 12, 10
STRANDS = frozenset("+-")
EXON, CODING = "exon", ("CDS", "stop_codon")
ATTRIBUTE = re.compile(r'(gene_name|gene_id|transcript_id) "([^"]*)"')
NAME_AT = 11
"""Column of genePred with the gene's name, counted without `bin`; the first column is the transcript's."""


@dataclass(frozen=True)
class Gene:
    """A transcript that stands for a gene.

    Attributes:
        name: Name of the gene, such as `GATA1`.
        contig: Name of the contig in the genome.
        start: First base, 0-based.
        end: Base after the last.
        strand: `+`, `-`, or `.` if it is not known.
        exons: Start and end of each exon, in order of position.
        coding: Start of the coding sequence and its end; None without one.
    """

    name: str
    contig: str
    start: int
    end: int
    strand: str
    exons: tuple[Span, ...]
    coding: Span | None

    @property
    def coding_bp(self) -> int:
        """Base pairs of exons within the coding sequence."""
        if self.coding is None:
            return 0
        first, last = self.coding
        return sum(max(0, min(end, last) - max(start, first)) for start, end in self.exons)

    @property
    def exon_bp(self) -> int:
        """Base pairs of exons."""
        return sum(end - start for start, end in self.exons)


class Genes:
    """The genes of a genome.

    Args:
        genes: All of them, in any order.
    """

    def __init__(self, genes: Iterable[Gene]) -> None:
        self._on: dict[str, list[Gene]] = defaultdict(list)
        self._named: dict[str, list[Gene]] = defaultdict(list)
        for gene in sorted(genes, key=lambda one: (one.contig, one.start, one.end, one.name)):
            self._on[gene.contig].append(gene)
            self._named[gene.name.casefold()].append(gene)
        self._longest = {
            contig: max(gene.end - gene.start for gene in on_contig) for contig, on_contig in self._on.items()
        }
        self._names = sorted(self._named)

    def __len__(self) -> int:
        return sum(map(len, self._on.values()))

    def overlapping(self, contig: str, start: int, end: int) -> list[Gene]:
        """Return the genes that overlap an interval, 0-based and half-open, in order of position."""
        on_contig = self._on.get(contig, [])
        first = bisect_left(on_contig, start - self._longest.get(contig, 0), key=lambda gene: gene.start)
        last = bisect_left(on_contig, end, key=lambda gene: gene.start)
        return [gene for gene in on_contig[first:last] if gene.end > start]

    def find(self, name: str) -> list[Gene]:
        """Return the genes of that name, in upper or lower case; several if places share it."""
        return list(self._named.get(name.casefold(), ()))

    def beginning(self, letters: str, limit: int) -> list[Gene]:
        """Return at most so many genes whose names begin with these letters, in alphabetical order."""
        letters = letters.casefold()
        found: list[Gene] = []
        for name in self._names[bisect_left(self._names, letters) :]:
            if len(found) >= limit or not name.startswith(letters):
                break
            found += self._named[name]
        return found[:limit]


def read_genes(path: Path, contigs: Sequence[Contig]) -> Genes:
    """Read gene models: GTF, BED with 3 to 12 columns, or a gene table of UCSC such as `refGene.txt`; gzip or not.

    Of the transcripts of a gene that overlap on one strand, the one with the longest coding sequence is kept, or else
    with the most bases in exons. Contig names may differ by `chr` or be NCBI accessions; genes on others are skipped.

    Args:
        path: The file. Its content decides on the format, not its name.
        contigs: The contigs of the genome.

    Raises:
        InputError: It cannot be read, is of another format, or has no gene on these contigs.
    """
    names = by_any_name(contigs)
    others: set[str] = set()
    transcripts: dict[str, list[Gene]] = defaultdict(list)
    for gene in _transcripts(path):
        contig = names.get(gene.contig)
        if contig is None or gene.end > contig.length:
            others.add(gene.contig if contig is None else f"{gene.contig} beyond its end")
        else:
            transcripts[gene.name].append(_on(gene, contig.name))
    if not transcripts:
        if not others:
            raise InputError("no gene in the file; use GTF, BED or a gene table of UCSC", path)
        ours = ", ".join(contig.name for contig in contigs[:NAMES_SHOWN])
        theirs = ", ".join(sorted(others)[:NAMES_SHOWN])
        raise InputError(f"no gene on the contigs of the genome ({ours}), only on {theirs}", path)
    return Genes(kept for of_gene in transcripts.values() for kept in _chosen(of_gene))


def _on(gene: Gene, contig: str) -> Gene:
    return Gene(gene.name, contig, gene.start, gene.end, gene.strand, gene.exons, gene.coding)


def _chosen(transcripts: list[Gene]) -> Iterator[Gene]:
    """Yield one transcript of each group that overlaps on one strand."""
    transcripts.sort(key=lambda one: (one.contig, one.strand, one.start))
    group: list[Gene] = []
    for transcript in transcripts:
        last = group[-1] if group else None
        apart = last is not None and (
            (transcript.contig, transcript.strand) != (last.contig, last.strand)
            or transcript.start >= max(one.end for one in group)
        )
        if apart:
            yield _longest(group)
            group = []
        group.append(transcript)
    yield _longest(group)


def _longest(group: Sequence[Gene]) -> Gene:
    return max(group, key=lambda one: (one.coding_bp, one.exon_bp, -one.start))


def _transcripts(path: Path) -> Iterator[Gene]:
    """Yield the transcripts of a file, with its own names of contigs."""
    lines = bed_lines(path, kind="gene")
    first = next(lines, None)
    if first is None:
        return
    every = _all(first, lines)
    fields = first[1].split("\t")
    if len(fields) == GTF_FIELDS and fields[3].isdecimal() and fields[4].isdecimal():
        if "=" in fields[8] and not ATTRIBUTE.search(fields[8]):
            raise InputError("is GFF3; convert it to GTF, for example with gffread -T", path, first[0])
        yield from _from_gtf(path, every)
    elif _gene_pred_shift(fields) is not None:
        yield from _from_gene_pred(path, every, _gene_pred_shift(fields) or 0)
    else:
        yield from _from_bed(path, every)


def _all(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _from_gtf(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Gene]:
    """Yield the transcripts of a GTF, 1-based and inclusive, from its lines of exons and coding sequence."""
    exons: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    coding: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    names: dict[tuple[str, str, str], str] = {}
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != GTF_FIELDS:
            raise InputError(f"not a GTF line; it must have {GTF_FIELDS} columns, separated by tabs", path, number)
        contig, kind, strand = fields[0], fields[2], fields[6]
        if kind != EXON and kind not in CODING:
            continue
        found = dict(ATTRIBUTE.findall(fields[8]))
        gene = found.get("gene_name") or found.get("gene_id")
        if not gene:
            raise InputError('no gene_id "…" in the last column of the GTF', path, number)
        start, end = _places(fields[3:5], path, number)
        if not start:
            raise InputError("starts at 0, but positions of GTF start at 1", path, number)
        key = (contig, strand, found.get("transcript_id") or gene)
        names[key] = gene
        (exons if kind == EXON else coding)[key].append((start - 1, end))
    for key, gene in names.items():
        spans = tuple(sorted(exons.get(key) or coding[key]))
        within = coding.get(key)
        whole = None if not within else (min(start for start, _ in within), max(end for _, end in within))
        yield Gene(gene, key[0], spans[0][0], max(end for _, end in spans), _strand(key[1]), spans, whole)


def _gene_pred_shift(fields: Sequence[str]) -> int | None:
    """Return how many columns are before those of genePred, 0 or 1 for `bin`; None for another format."""
    for shift in (0, 1):
        columns = fields[shift:]
        if (
            len(columns) >= GENE_PRED_FIELDS
            and columns[2] in STRANDS
            and all(re.fullmatch(PLACE, columns[place]) for place in range(3, 8))
            and all(re.fullmatch(r"(\d+,)*\d*", columns[place]) for place in (8, 9))
        ):
            return shift
    return None


def _from_gene_pred(path: Path, lines: Iterable[tuple[int, str]], shift: int) -> Iterator[Gene]:
    """Yield the rows of a gene table of UCSC, 0-based and half-open."""
    for number, line in lines:
        fields = line.split("\t")
        if _gene_pred_shift(fields) != shift:
            raise InputError("not a line of a gene table like those before it", path, number)
        fields = fields[shift:]
        starts, ends = ([int(place) for place in fields[column].split(",") if place] for column in (8, 9))
        if len(starts) != int(fields[7]) or len(ends) != len(starts):
            raise InputError(f"{len(starts)} starts and {len(ends)} ends of {fields[7]} exons", path, number)
        first, last = int(fields[5]), int(fields[6])
        name = (fields[NAME_AT] if len(fields) > NAME_AT else "") or fields[0]
        yield _checked(
            Gene(
                name,
                fields[1],
                int(fields[3]),
                int(fields[4]),
                fields[2],
                tuple(zip(starts, ends, strict=True)),
                (first, last) if first < last else None,
            ),
            path,
            number,
        )


def _from_bed(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Gene]:
    """Yield the lines of a BED file, 0-based and half-open; exons with twelve columns, else one."""
    for number, line in lines:
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < BED_FIELDS:
            raise InputError("not GTF, BED or a gene table of UCSC", path, number)
        start, end = _places(fields[1:3], path, number)
        name = fields[3] if len(fields) > BED_FIELDS else f"{fields[0]}:{start + 1}-{end}"
        strand = _strand(fields[5] if len(fields) > 5 else ".")  # noqa: PLR2004 - the sixth column
        exons: tuple[Span, ...] = ((start, end),)
        coding = None
        if len(fields) >= BED12_FIELDS:
            first, last = _places(fields[6:8], path, number)
            coding = (first, last) if first < last else None
            sizes, offsets = (fields[column].rstrip(",").split(",") for column in (10, 11))
            if len(sizes) != len(offsets) or not all(re.fullmatch(PLACE, text) for text in (*sizes, *offsets)):
                raise InputError("sizes and starts of blocks do not match", path, number)
            exons = tuple(
                (start + int(offset), start + int(offset) + int(size))
                for size, offset in zip(sizes, offsets, strict=True)
            )
        yield _checked(Gene(name, fields[0], start, end, strand, exons, coding), path, number)


def _checked(gene: Gene, path: Path, number: int) -> Gene:
    """Return a gene whose exons lie within it.

    Raises:
        InputError: They do not, or it is empty.
    """
    within = all(gene.start <= start < end <= gene.end for start, end in gene.exons)
    if gene.start >= gene.end or not gene.exons or not within:
        raise InputError(f"{gene.name}: empty, reversed, or has exons outside of {gene.start}-{gene.end}", path, number)
    return Gene(gene.name, gene.contig, gene.start, gene.end, gene.strand, tuple(sorted(gene.exons)), gene.coding)


def _strand(text: str) -> str:
    return text if text in STRANDS else "."


def _places(texts: Sequence[str], path: Path, number: int) -> tuple[int, int]:
    """Return a start and an end.

    Raises:
        InputError: They are not numbers, or reversed.
    """
    if not all(re.fullmatch(PLACE, text.strip()) for text in texts):
        raise InputError("not GTF, BED or a gene table of UCSC: start and end must be numbers", path, number)
    start, end = map(int, texts)
    if start > end:
        raise InputError(f"starts at {start:,}, but ends at {end:,}", path, number)
    return start, end
