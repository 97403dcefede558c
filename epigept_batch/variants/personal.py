"""A personal genome: the two haplotypes of a sample, as changes of a reference that they were checked against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError, one_line
from epigept_batch.sequence.regions import by_any_name
from epigept_batch.variants.changes import Change, change_of
from epigept_batch.variants.genotypes import read_genotypes
from epigept_batch.variants.haplotype import DELETIONS, INSERTIONS, MNVS, SNVS, ContigChanges, Haplotype

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Contig
    from epigept_batch.variants.genotypes import Alleles, Calls, Genotypes

LEAST_CHECKED, MOST_MISMATCHES = 20, 0.05
"""A file is refused if it has at least this many variants, and REF differs from the FASTA at more than this share."""
MISMATCH, OVERLAP = "reference allele differs from the FASTA", "overlaps another variant of the haplotype"
NO_SEQUENCE, NO_CONTIG = "allele without sequence", "contig not in the FASTA"
"""Why variants are skipped."""
BLOCK_BP = 1 << 20
KINDS_SHOWN = 5
KINDS = {SNVS: "SNVs", MNVS: "MNVs", INSERTIONS: "insertions", DELETIONS: "deletions"}


@dataclass(frozen=True, eq=False)
class PersonalGenome:
    """Two haplotypes, and what became of the variants in their file.

    Attributes:
        path: The variant file.
        unphased: What both haplotypes got at heterozygous sites without phase; None if such sites are refused.
        genotypes: What the file says about the sample, without the calls.
        haplotypes: The haplotypes, 1 and 2.
        mismatches: Number of variants that were left out because their reference allele differs from the FASTA.
        overlaps: Number of variants of each haplotype that were left out because they overlap an earlier one.
    """

    path: Path
    unphased: str | None
    genotypes: Genotypes
    haplotypes: tuple[Haplotype, Haplotype]
    mismatches: int
    overlaps: tuple[int, int]

    def account(self, haplotype: Haplotype) -> dict[str, Any]:
        """Return a description of a haplotype for records, JSON-compatible, without any genotype."""
        found = self.genotypes
        return {
            "vcf": str(self.path.resolve()),
            "vcf_sample": found.sample,
            "haplotype": haplotype.number,
            "applied": haplotype.counts(),
            "skipped": {
                MISMATCH: self.mismatches,
                OVERLAP: self.overlaps[haplotype.number - 1],
                NO_SEQUENCE: {one_line(kind): number for kind, number in sorted(found.unusable.items())},
                NO_CONTIG: found.elsewhere,
            },
            "records": found.records,
            "records_with_missing_alleles": found.missing,
            "heterozygous": found.heterozygous,
            "unphased": {"sites": found.unphased, "treated_as": self.unphased if found.unphased else None},
            "phase_sets": sum(found.phase_sets.values()),
        }

    def notes(self) -> Iterator[str]:
        """Yield what a user should know, a sentence each."""
        found = self.genotypes
        yield f"sample {one_line(found.sample)}: " + "; ".join(map(_applied, self.haplotypes))
        skipped = [*self._skipped()]
        if skipped:
            yield f"skipped: {'; '.join(skipped)}"
        if found.missing:
            yield f"missing alleles at {found.missing:,} of {found.records:,} records; treated as the reference"
        if found.unphased:
            yield (
                f"{found.unphased:,} of {found.heterozygous:,} heterozygous sites are not phased; both haplotypes get "
                f"the {self.unphased} allele there"
            )
        if max(found.phase_sets.values(), default=0) > 1:
            yield (
                f"phase is known only within {sum(found.phase_sets.values()):,} phase sets, not between them; each "
                "haplotype may combine alleles of both parents"
            )

    def _skipped(self) -> Iterator[str]:
        found = self.genotypes
        if self.mismatches:
            yield f"{MISMATCH} ({self.mismatches:,})"
        if any(self.overlaps):
            yield f"{OVERLAP} ({' and '.join(f'{number:,}' for number in self.overlaps)})"
        if found.unusable:
            kinds = found.unusable.most_common()
            shown = [f"{one_line(kind)} {number:,}" for kind, number in kinds[:KINDS_SHOWN]]
            rest = [f"others {sum(number for _, number in kinds[KINDS_SHOWN:]):,}"] if len(kinds) > KINDS_SHOWN else []
            yield f"{NO_SEQUENCE} ({', '.join(shown + rest)})"
        if found.elsewhere:
            yield f"{NO_CONTIG} ({found.elsewhere:,})"


def _applied(haplotype: Haplotype) -> str:
    counts = ", ".join(f"{number:,} {KINDS[kind]}" for kind, number in haplotype.counts().items() if number)
    return f"haplotype {haplotype.number} has {counts or 'no variant in the selected contigs'}"


def read_personal_genome(
    path: Path, sample: str | None, genome: Genome, selected: Collection[Contig], *, unphased: str | None
) -> PersonalGenome:
    """Read the two haplotypes of a sample.

    Of variants that overlap on a haplotype, the first in order of position is applied. Two overlap if they replace the
    same base or insert at the same place; bases that both alleles of a variant share do not count.

    Args:
        path: VCF or BCF with genotypes.
        sample: Name of the sample; None if the file has only one.
        genome: The reference.
        selected: The contigs that are needed.
        unphased: `reference` or `alternative`; None to refuse heterozygous sites without phase.

    Raises:
        InputError: As `read_genotypes`, or the file belongs to another assembly.
        DeviceError: pysam is not installed.
    """
    names = {contig.name for contig in selected}
    genotypes = read_genotypes(path, sample, by_any_name(genome.contigs), names, unphased=unphased)
    contigs: tuple[dict[str, ContigChanges], dict[str, ContigChanges]] = ({}, {})
    overlaps = [0, 0]
    checked = mismatches = 0
    for contig in selected:
        calls = genotypes.calls.pop(contig.name, None)
        if calls is None:
            continue
        matching = list(_matching(calls, genome, contig))
        checked += len(calls.alleles)
        mismatches += len(calls.alleles) - len(matching)
        for number in (0, 1):
            found = list(_changes(matching, number))
            applied = _without_overlaps(found)
            overlaps[number] += len(found) - len(applied)
            if applied:
                contigs[number][contig.name] = ContigChanges(applied)
    if checked >= LEAST_CHECKED and mismatches > MOST_MISMATCHES * checked:
        raise InputError(
            f"REF differs from the FASTA at {mismatches:,} of {checked:,} variants; use a VCF of the same assembly",
            path,
        )
    haplotypes = (Haplotype(1, contigs[0]), Haplotype(2, contigs[1]))
    return PersonalGenome(path, unphased, genotypes, haplotypes, mismatches, (overlaps[0], overlaps[1]))


def _matching(calls: Calls, genome: Genome, contig: Contig) -> Iterator[tuple[int, Alleles]]:
    """Yield position and alleles, in order of position, where the reference allele is that of the FASTA."""
    begin, block = 0, b""
    for position, alleles in calls.in_order():
        ref = alleles[0]
        end = position + len(ref)
        if position < 0 or end > contig.length:
            continue
        if position < begin or end > begin + len(block):
            begin = position
            block = genome.letters(contig, begin, min(max(begin + BLOCK_BP, end), contig.length)).upper()
        if block[position - begin : end - begin] == ref.encode():
            yield position, alleles


def _changes(calls: Iterable[tuple[int, Alleles]], haplotype: int) -> Iterator[Change]:
    """Yield what the calls change on a haplotype, 0 or 1."""
    for position, (ref, *alts) in calls:
        alt = alts[haplotype]
        if alt is None or alt == ref:
            continue
        change = Change(position, 1, alt) if len(ref) == len(alt) == 1 else change_of(position, ref, alt)
        if change is not None:
            yield change


def _without_overlaps(changes: list[Change]) -> list[Change]:
    """Return changes in order of position, without those that overlap an earlier one of these."""
    kept: list[Change] = []
    for change in sorted(changes, key=lambda one: (one.start, one.removed > 0)):
        before = kept[-1] if kept else None
        if before is not None and (change.start < before.end or (change.start == before.start and not change.removed)):
            continue
        kept.append(change)
    return kept
