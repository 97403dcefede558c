"""Read a change of the sequence as a person types it, such as `chr2:1000 A>G`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.variants.changes import Change
from epigept_batch.variants.variant import MISSING, SCORED, STATUSES, Variant, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Contig

FORMS = "'chr2:1000 A>G' for alleles, 'chr2:1000-1200 del' for a deletion, 'chr2:1000 ins ACGT' for an insertion"
_AT = r"(?P<contig>\S+?)[:\s](?P<start>[0-9][0-9,]{0,14})"
ALLELES = re.compile(_AT + r"[:\s]?(?P<ref>[A-Z]+)[>:/\s](?P<alt>[A-Z]+)", re.IGNORECASE)
DELETION = re.compile(_AT + r"(?:[-_](?P<end>[0-9][0-9,]{0,14}))?\s*del", re.IGNORECASE)
INSERTION = re.compile(_AT + r"\s*ins\s*(?P<bases>[A-Z]+)", re.IGNORECASE)
"""Positions are 1-based; an insertion comes after its position, a deletion includes both ends."""


def parse_change(text: str, contigs: Mapping[str, Contig], genome: Genome, *, longest: int) -> tuple[Contig, Change]:
    """Read a change, and check it against the genome.

    Args:
        text: One of `FORMS`; `chr2:1000:A:G` and `chr2:1000A>G` are read, too.
        contigs: The genome's contigs by every name that a user may give them.
        genome: The sequence.
        longest: Most bases that may be deleted or inserted.

    Raises:
        InputError: The text has another form, or the change is not possible there.
    """
    text = text.strip()
    if match := INSERTION.fullmatch(text):
        contig, position = _contig(match["contig"], contigs, text), _number(match["start"])
        inserted = match["bases"].upper()
        if set(inserted) - set("ACGT"):
            raise InputError(f"'{text}': inserted bases must be A, C, G or T")
        _check_place(text, contig, position, position, len(inserted), longest=longest)
        return contig, Change(position, 0, inserted)
    if match := DELETION.fullmatch(text):
        contig, start = _contig(match["contig"], contigs, text), _number(match["start"])
        end = _number(match["end"]) if match["end"] else start
        if end < start:
            raise InputError(f"'{text}': ends before it starts")
        _check_place(text, contig, start, end, end - start + 1, longest=longest)
        return contig, Change(start - 1, end - start + 1, "")
    if match := ALLELES.fullmatch(text):
        variant = Variant(
            0, match["contig"], _number(match["start"]) - 1, MISSING, match["ref"].upper(), (match["alt"].upper(),)
        )
        placed = place(variant, contigs, genome, longest=longest)
        allele = placed.alleles[0]
        if allele.status != SCORED or allele.change is None or placed.contig is None:
            raise InputError(f"'{text}': {STATUSES[allele.status]}{_found(variant, placed.contig, genome)}")
        return placed.contig, allele.change
    raise InputError(f"'{text[:60]}': not a variant; use {FORMS}")


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _contig(name: str, contigs: Mapping[str, Contig], text: str) -> Contig:
    if name not in contigs:
        raise InputError(f"'{text}': the genome has no contig '{name}'")
    return contigs[name]


def _check_place(text: str, contig: Contig, first: int, last: int, bases: int, *, longest: int) -> None:
    """Check a place, 1-based, and the number of bases that change there.

    Raises:
        InputError: It is not on the contig, or too many bases change.
    """
    if first < 1 or last > contig.length:
        raise InputError(f"'{text}': {contig.name} has the positions 1 to {contig.length:,}")
    if bases > longest:
        raise InputError(f"'{text}': changes {bases:,} bp, but at most {longest:,} bp, half a window, can be predicted")


def _found(variant: Variant, contig: Contig | None, genome: Genome) -> str:
    """Return what the genome has in place of the reference allele, for a message."""
    end = variant.position + len(variant.ref)
    if contig is None or variant.position < 0 or end > contig.length or len(variant.ref) > len(FORMS):
        return ""
    return f", which has {genome.letters(contig, variant.position, end).decode('latin-1').upper()} there"
