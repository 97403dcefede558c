"""The samples and tables that a user asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.spec import ExpressionReference

MOST_MISSING = 0.05


@dataclass(frozen=True)
class SampleRequest:
    """The samples and tables that a user asks for.

    Attributes:
        tables: Files, each with a name for its sample, or None.
        samples: Names of the samples wanted; empty for all.
        merge: Name of the mean of all samples, as replicates; None to keep them apart.
        tx2gene: File with the genes of transcripts.
        group_by: Column of `obs` by which the cells of an .h5ad are grouped and summed.
        max_missing: Share of the factors that a table may lack.
        normalised: Whether the tables hold quantile-normalised TPM.
        sheet: A sample sheet: a table of samples and their files.
    """

    tables: tuple[tuple[str | None, Path], ...]
    samples: tuple[str, ...] = ()
    merge: str | None = None
    tx2gene: Path | None = None
    group_by: str | None = None
    max_missing: float = MOST_MISSING
    normalised: bool = False
    sheet: Path | None = None

    def distribution(self, reference: ExpressionReference | None) -> NDArray[np.float64] | None:
        """Return the distribution that the tables' TPM are normalised to; None if they are normalised already.

        Args:
            reference: The model's; None for a model without one, which accepts only normalised tables.
        """
        return None if self.normalised or reference is None else reference.distribution
