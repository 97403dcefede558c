"""Read which alleles a sample carries on each of its two haplotypes.

Missing alleles count as the reference. A haploid genotype, as on X, Y and MT, holds for both haplotypes. FILTER is not
looked at. Nothing here prints or keeps a genotype outside of `Calls`.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.names import ALTERNATIVE
from epigept_batch.variants.vcf import open_genotypes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from epigept_batch.tiling import Contig

DIPLOID = 2
SHORT = 8
"""Most letters of alleles that are kept once for all records that have them."""
_LETTERS, _ACGT = re.compile("[A-Z]+", re.IGNORECASE), re.compile("[ACGT]+", re.IGNORECASE)
BREAKEND, OTHER_LETTERS = "breakend", "letters other than A, C, G and T"

Alleles = tuple[str, str | None, str | None]
"""The reference allele, and what replaces it on either haplotype; None for nothing."""


@dataclass
class Calls:
    """The records of a contig of which a sample carries an alternative allele, in the order of the file.

    Attributes:
        positions: The first base of each reference allele, 0-based.
        alleles: The alleles of each.
    """

    positions: array[int] = field(default_factory=lambda: array("q"))
    alleles: list[Alleles] = field(default_factory=list)

    def in_order(self) -> Iterator[tuple[int, Alleles]]:
        """Yield position and alleles in order of position; of records at one position, the file's first comes first."""
        order = range(len(self.positions))
        if any(self.positions[number] < self.positions[number - 1] for number in order[1:]):
            order = sorted(order, key=self.positions.__getitem__)  # type: ignore[assignment]
        return ((self.positions[number], self.alleles[number]) for number in order)


@dataclass
class Genotypes:
    """What a file says about a sample.

    Attributes:
        sample: Name of the sample.
        calls: Its calls by the contig's name in the FASTA; only of the contigs that were asked for.
        records: Number of records on these contigs.
        elsewhere: Number of records on contigs that the FASTA lacks.
        missing: Number of records with a missing allele.
        heterozygous: Number of records with two different alleles.
        unphased: Number of these without phase.
        unusable: Number of records where the sample carries an allele that gives no sequence, by kind, as `<DEL>`, `*`.
        phase_sets: Number of sets within which phase is known, by contig.
    """

    sample: str
    calls: dict[str, Calls] = field(default_factory=dict)
    records: int = 0
    elsewhere: int = 0
    missing: int = 0
    heterozygous: int = 0
    unphased: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    phase_sets: Counter[str] = field(default_factory=Counter)


def read_genotypes(
    path: Path, sample: str | None, contigs: Mapping[str, Contig], selected: Collection[str], *, unphased: str | None
) -> Genotypes:
    """Read the genotypes of a sample.

    Args:
        path: VCF or BCF.
        sample: Name of the sample; None if the file has only one.
        contigs: The genome's contigs by every name that the file may use.
        selected: Names in the FASTA of the contigs that are needed.
        unphased: What both haplotypes get at heterozygous sites without phase: `reference`, or `alternative`, which is
            the genotype's first one; None to refuse such sites.

    Raises:
        InputError: The file cannot be read, has no such sample, has sites without phase that are refused, more than two
            alleles per genotype, or no record on a contig of the FASTA.
        DeviceError: pysam is not installed.
    """
    with open_genotypes(path, sample) as (name, records):
        reader = _Reader(Genotypes(name), unphased)
        for number, record in enumerate(records, 1):
            contig = contigs.get(record.chrom)
            if contig is None:
                reader.found.elsewhere += 1
            elif contig.name in selected:
                reader.take(record, contig.name, number, path)
            else:
                reader.others += 1
    found = reader.found
    if found.elsewhere and not found.records and not reader.others:
        raise InputError("no record on a contig of the FASTA; use a VCF of the same assembly", path)
    if found.unphased and unphased is None:
        raise InputError(
            f"{found.unphased:,} of {found.heterozygous:,} heterozygous sites of {name} are not phased; phase the VCF, "
            "or choose what both haplotypes get there: --unphased reference or --unphased alternative",
            path,
        )
    return found


@lru_cache(maxsize=1 << 12)
def unusable(alt: str) -> str:
    """Return what an alternative allele is that gives no sequence, such as `<DEL>`; empty if it gives sequence."""
    if _ACGT.fullmatch(alt):
        return ""
    if _LETTERS.fullmatch(alt):
        return OTHER_LETTERS
    return BREAKEND if set("[]") & set(alt) else alt


class _Reader:
    """Collects the calls of a sample."""

    def __init__(self, found: Genotypes, unphased: str | None) -> None:
        self.found = found
        self.others = 0
        self._unphased = unphased
        self._known: dict[Alleles, Alleles] = {}
        self._phase_sets: set[tuple[str, int | None]] = set()

    def take(self, record: Any, contig: str, number: int, path: Path) -> None:  # noqa: ANN401 - pysam is untyped
        """Add a record.

        Raises:
            InputError: The genotype has more than two alleles.
        """
        found = self.found
        found.records += 1
        call = record.samples[0]
        numbers = call.allele_indices
        if not numbers or None in numbers:
            found.missing += 1
        if not any(numbers or ()):
            return
        if len(numbers) > DIPLOID:
            raise InputError(
                f"record {number:,} after the header has a genotype of {len(numbers)} alleles; only haploid and "
                "diploid genotypes can be used",
                path,
            )
        carried = self._usable(record.alts or (), numbers)
        if carried[0] != carried[1]:
            found.heterozygous += 1
            carried = self._by_phase(call, contig, carried)
        if carried != (None, None):
            self._add(contig, record.pos - 1, (record.ref.upper(), *carried))

    def _usable(self, alts: tuple[str, ...], numbers: tuple[int | None, ...]) -> tuple[str | None, str | None]:
        """Return what the two haplotypes carry, and count what cannot be used."""
        first = self._alt(alts, numbers[0])
        second = first if numbers[-1] == numbers[0] else self._alt(alts, numbers[-1])
        return first, second

    def _alt(self, alts: tuple[str, ...], number: int | None) -> str | None:
        """Return an allele of the record by its number, upper case; None for one that changes nothing."""
        if not number:
            return None
        alt = alts[number - 1]
        if kind := unusable(alt):
            self.found.unusable[kind] += 1
            return None
        return alt.upper()

    def _by_phase(
        self,
        call: Any,  # noqa: ANN401 - pysam is untyped
        contig: str,
        carried: tuple[str | None, str | None],
    ) -> tuple[str | None, str | None]:
        """Return what the haplotypes carry at a heterozygous site."""
        if call.phased:
            place = (contig, call.get("PS"))
            if place not in self._phase_sets:
                self._phase_sets.add(place)
                self.found.phase_sets[contig] += 1
            return carried
        self.found.unphased += 1
        chosen = (carried[0] or carried[1]) if self._unphased == ALTERNATIVE else None
        return chosen, chosen

    def _add(self, contig: str, position: int, alleles: Alleles) -> None:
        calls = self.found.calls.get(contig)
        if calls is None:
            calls = self.found.calls[contig] = Calls()
        calls.positions.append(position)
        ref, first, second = alleles
        if len(ref) + len(first or "") + len(second or "") <= SHORT:
            alleles = self._known.setdefault(alleles, alleles)
        calls.alleles.append(alleles)
