"""Variants as files list them, and whether each allele can be scored on a genome."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.variants.changes import change_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Contig
    from epigept_batch.variants.changes import Change

SCORED = "scored"
NO_ALT = "no_alternative"
SYMBOLIC = "symbolic"
NOT_ACGT = "not_acgt"
SAME = "same_as_reference"
TOO_LONG = "too_long"
NO_CONTIG = "contig_not_in_fasta"
OUTSIDE = "outside_contig"
MISMATCH = "reference_mismatch"
NO_BASES = "no_bases"
STATUSES: Mapping[str, str] = {
    SCORED: "scored",
    NO_ALT: "no alternative allele",
    SYMBOLIC: "symbolic alleles, breakends or '*', which give no sequence",
    NOT_ACGT: "alleles with letters other than A, C, G and T",
    SAME: "alternative alleles that equal the reference allele",
    TOO_LONG: "alleles longer than half a window",
    NO_CONTIG: "on a contig that the FASTA lacks",
    OUTSIDE: "beyond the end of their contig",
    MISMATCH: "the reference allele differs from the FASTA",
    NO_BASES: "the reference allele consists of N",
}
"""What may become of an allele, with a description for messages."""
MISSING = "."
_ACGT = re.compile(r"[ACGT]+", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Z]+", re.IGNORECASE)


@dataclass(frozen=True)
class Variant:
    """A record of a file.

    Attributes:
        number: Position among the records of the file, from 0.
        contig: Name of the contig, as in the file.
        position: First base of the reference allele, 0-based.
        id: Identifiers, as in the file; `.` for none.
        ref: Reference allele, as in the file.
        alts: Alternative alleles, as in the file.
    """

    number: int
    contig: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]


@dataclass(frozen=True)
class Allele:
    """An alternative allele on a genome.

    Attributes:
        alt: As in the file; `.` for a record without any.
        status: One of `STATUSES`.
        change: What it changes; None unless the status is `scored`.
    """

    alt: str
    status: str
    change: Change | None = None


@dataclass(frozen=True)
class Placed:
    """A variant on a genome.

    Attributes:
        variant: The record.
        contig: Its contig; None if the FASTA lacks it.
        alleles: Its alternative alleles, in order; one for a record without any.
    """

    variant: Variant
    contig: Contig | None
    alleles: tuple[Allele, ...]


def place(variant: Variant, contigs: Mapping[str, Contig], genome: Genome, *, longest: int) -> Placed:
    """Find a variant on a genome, and decide which of its alleles can be scored.

    Args:
        variant: The record.
        contigs: The genome's contigs by every name that a file may use for them.
        genome: The sequence.
        longest: Most bases of an allele.
    """
    contig = contigs.get(variant.contig)
    status = _status_of_record(variant, contig, genome, longest=longest)
    if status is not None:
        return Placed(variant, contig, tuple(Allele(alt, status) for alt in variant.alts or (MISSING,)))
    return Placed(variant, contig, tuple(_allele(variant, alt, longest=longest) for alt in variant.alts))


def _status_of_record(variant: Variant, contig: Contig | None, genome: Genome, *, longest: int) -> str | None:
    """Return why no allele of a record can be scored; None if some may be."""
    if contig is None:
        return NO_CONTIG
    end = variant.position + len(variant.ref)
    if variant.position < 0 or end > contig.length:
        return OUTSIDE
    if not _LETTERS.fullmatch(variant.ref):
        return NOT_ACGT
    letters = genome.letters(contig, variant.position, end).upper().decode("latin-1")
    found = {
        MISMATCH: letters != variant.ref.upper(),
        NO_BASES: not letters.strip("N"),
        TOO_LONG: len(variant.ref) > longest,
        NO_ALT: not variant.alts,
    }
    return next((status for status, holds in found.items() if holds), None)


def _allele(variant: Variant, alt: str, *, longest: int) -> Allele:
    if not _LETTERS.fullmatch(alt):
        return Allele(alt, SYMBOLIC)
    if not _ACGT.fullmatch(alt):
        return Allele(alt, NOT_ACGT)
    if len(alt) > longest:
        return Allele(alt, TOO_LONG)
    change = change_of(variant.position, variant.ref, alt)
    return Allele(alt, SAME) if change is None else Allele(alt, SCORED, change)


def kinds_of(alleles: Sequence[Allele]) -> dict[str, int]:
    """Return how many symbolic alleles there are of each kind, such as `<DEL>`, `*` or `breakend`."""
    kinds: dict[str, int] = {}
    for allele in alleles:
        if allele.status == SYMBOLIC:
            kind = "breakend" if set("[]") & set(allele.alt) else allele.alt
            kinds[kind] = kinds.get(kind, 0) + 1
    return kinds
