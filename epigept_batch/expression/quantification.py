"""The common form of all quantification files: samples, each with the factors' TPM and a description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from epigept_batch.expression.factor_tpm import FactorTPM
    from epigept_batch.expression.plausibility import Verdict
    from epigept_batch.expression.transcripts import TranscriptMap

GENES, TRANSCRIPTS = "genes", "transcripts"
MARKS = 1 << 64


@dataclass(frozen=True, eq=False)
class Quantified:
    """One sample of a file.

    Attributes:
        format: The program or form of such files.
        level: What the rows are: genes or transcripts.
        rows: Number of rows.
        total: Sum of the values, which are TPM or were converted to TPM.
        verdict: What the values are.
        tpm: The factors' TPM.
        notes: Further notes for the user.
        rows_mark: Identifies the set of row ids, whatever their order; None if unknown.
    """

    format: str
    level: str
    rows: int
    total: float
    verdict: Verdict
    tpm: FactorTPM
    notes: tuple[str, ...] = ()
    rows_mark: int | None = None


def mark_of_rows(ids: pl.Series) -> int:
    """Return a number that depends on the ids but not on their order; the numbers of parts add up, modulo `MARKS`."""
    return int(ids.hash(seed=0).to_numpy().sum(dtype=np.uint64))


class Quantification(Protocol):
    """A file whose samples are known, but whose values have not been read yet."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def names(self) -> tuple[str | None, ...]:
        """Names of its samples; None for the single sample of a file."""

    def read(
        self, chosen: Sequence[int], factors: Sequence[str], transcript_map: TranscriptMap | None
    ) -> list[Quantified]:
        """Read the samples of these numbers.

        Args:
            chosen: Numbers of the samples wanted.
            factors: Names, in the network's order.
            transcript_map: Genes of transcripts, for transcript tables that do not name them.

        Raises:
            InputError: A value is not a number of 0 or more, or transcripts have no gene.
        """

    def why_not_found(self, factors: Sequence[str]) -> str | None:
        """Return what the ids are, if they are not those of human genes."""
