"""Count what became of the variants of a file, and refuse a file that belongs to another genome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.variants.variant import MISMATCH, NO_CONTIG, OUTSIDE, SCORED, STATUSES, SYMBOLIC, kinds_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from epigept_batch.variants.variant import Placed

FEW = 20
"""A file with fewer variants is not judged by its reference alleles."""
MOST_MISMATCHES = 0.05
"""Share of reference alleles that may differ. By chance, a quarter of single bases agrees with another assembly."""
NAMES_SHOWN = 5
NOT_COMPARED = frozenset({NO_CONTIG, OUTSIDE})


@dataclass
class Tally:
    """What became of variants and their alleles.

    Attributes:
        variants: Number of variants.
        alleles: Number of alternative alleles by status.
        mismatches: Number of variants whose reference allele differs from the FASTA.
        compared: Number of variants whose reference allele was compared.
        symbolic: Number of symbolic alleles by kind.
        unknown: Number of variants by name of a contig that the FASTA lacks.
        contigs: Names of the FASTA's contigs with a variant that can be scored.
    """

    variants: int = 0
    alleles: Counter[str] = field(default_factory=Counter)
    mismatches: int = 0
    compared: int = 0
    symbolic: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    contigs: dict[str, None] = field(default_factory=dict)

    def add(self, placed: Placed) -> None:
        """Count a variant."""
        statuses = [allele.status for allele in placed.alleles]
        self.variants += 1
        self.alleles.update(statuses)
        self.symbolic.update(kinds_of(placed.alleles))
        if placed.contig is None:
            self.unknown[placed.variant.contig] += 1
        elif SCORED in statuses:
            self.contigs[placed.contig.name] = None
        if not NOT_COMPARED.intersection(statuses):
            self.compared += 1
            self.mismatches += MISMATCH in statuses

    @property
    def scored(self) -> int:
        """Number of alleles that can be scored."""
        return self.alleles[SCORED]

    def check(self, path: Path, fasta: Path, *, allow_mismatch: bool) -> None:
        """Check that a file belongs to a genome.

        Raises:
            InputError: It has no variants, none that can be scored, or too many reference alleles differ.
        """
        if not self.variants:
            raise InputError("no variants; provide a file with at least one", path)
        share = self.mismatches / max(self.compared, 1)
        if self.compared >= FEW and share > MOST_MISMATCHES and not allow_mismatch:
            raise InputError(
                f"REF differs from {fasta} at {self.mismatches:,} of {self.compared:,} variants; is it of another "
                "assembly? Use the FASTA of its assembly, or score the others with --allow-ref-mismatch",
                path,
            )
        if not self.scored:
            raise InputError(f"nothing to score: {'; '.join(self.sentences())}", path)

    def sentences(self) -> Iterator[str]:
        """Yield what is not scored, with counts."""
        for status, words in STATUSES.items():
            count = self.alleles[status]
            if status == SCORED or not count:
                continue
            names = {SYMBOLIC: self.symbolic, NO_CONTIG: self.unknown}.get(status)
            shown = "" if names is None else f" ({_listed(names)})"
            yield f"{count:,} allele{'s' if count > 1 else ''} not scored, {status}: {words}{shown}"

    def account(self) -> dict[str, Any]:
        """Return the counts, JSON-compatible."""
        return {
            "variants": self.variants,
            "alleles": {status: self.alleles[status] for status in STATUSES if self.alleles[status]},
            "symbolic": dict(self.symbolic.most_common()),
            "contigs not in the FASTA": dict(self.unknown.most_common(NAMES_SHOWN)),
        }


def _listed(counts: Counter[str]) -> str:
    shown = [f"{name} {count:,}" for name, count in counts.most_common(NAMES_SHOWN)]
    return ", ".join([*shown, "…"] if len(counts) > NAMES_SHOWN else shown)
