"""What any file of quantified genes gives: its samples, each with the TPM of the factors and an account."""

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
        format: Who writes such files.
        level: What the rows are: genes or transcripts.
        rows: How many there are.
        total: Sum of the values, which are TPM or what TPM were made from.
        verdict: What the values are.
        tpm: The factors' TPM.
        notes: What else a user should know.
        rows_mark: Tells other sets of rows from these, by their ids, in whatever order; None where it is not known.
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
    """A number that depends on the ids and not on their order; those of parts add up, modulo `MARKS`."""
    return int(ids.hash(seed=0).to_numpy().sum(dtype=np.uint64))


class Quantification(Protocol):
    """A file whose samples are known and whose values are not read yet."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def names(self) -> tuple[str | None, ...]:
        """Names of its samples; None for that of the file."""

    def read(
        self, chosen: Sequence[int], factors: Sequence[str], transcript_map: TranscriptMap | None
    ) -> list[Quantified]:
        """Read the samples of these numbers.

        Args:
            chosen: Numbers of the samples wanted.
            factors: Names, in the network's order.
            transcript_map: Genes of transcripts, for tables of transcripts that do not name them.

        Raises:
            InputError: A value is no number from 0 up, or transcripts have no gene.
        """

    def why_not_found(self, factors: Sequence[str]) -> str | None:
        """What the ids are, where they are not of human genes."""
