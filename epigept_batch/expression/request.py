"""Which samples a user wants of which tables."""

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
    """Which samples a user wants of which tables.

    Attributes:
        tables: Files, each with the name that its sample is to have, or None.
        samples: Names of the samples wanted; empty for all.
        merge: Name under which all become one, the mean of replicates; None to keep them apart.
        tx2gene: The genes of transcripts.
        group_by: Column of cells by which an .h5ad is summed.
        max_missing: Share of the factors that a table may lack.
        normalised: The tables hold quantile-normalised TPM.
        sheet: A table of samples and the files that they are in.
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
        """What TPM of the tables is normalised to, as `network_expression` takes it; None for what is so already.

        Args:
            reference: Of the model; None for a model without, which takes normalised tables alone.
        """
        return None if self.normalised or reference is None else reference.distribution
