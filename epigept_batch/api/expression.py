"""Read samples in the form that a network takes as input."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.expression.copies import network_inputs
from epigept_batch.expression.factor_tpm import FactorTPM
from epigept_batch.expression.perturb import parse_perturbations
from epigept_batch.expression.request import MOST_MISSING, SampleRequest
from epigept_batch.expression.samples import read_samples
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.model_file import read_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from epigept_batch.spec import Spec


@dataclass(frozen=True, eq=False)
class _Tables:
    """What was read of the samples that are not copies, in their order, and what their TPM are normalised to."""

    tpm: tuple[FactorTPM, ...]
    distribution: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Expression:
    """The network's input for samples.

    Attributes:
        samples: Their names.
        factors: Names of the transcription factors, in the network's order.
        values: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        notes: Notes on each sample, one sentence each.
        copies: Name of the unperturbed sample by the name of each perturbed copy; see `with_set`.
        tpm: float64, (samples, factors): TPM before normalisation; None for vectors of your own.
        normalised: Whether `tpm` was quantile-normalised already.

    Examples:
        One sample whose two factors have normalised TPM of 3 and 0:

        >>> import numpy as np
        >>> values = np.log1p(np.array([[3, 0]], dtype=np.float32))
        >>> Expression(("liver",), ("CTCF", "TBXT"), values).values.round(3).tolist()
        [[1.386..., 0.0]]
    """

    samples: tuple[str, ...]
    factors: tuple[str, ...]
    values: NDArray[np.float32]
    notes: tuple[tuple[str, ...], ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    tpm: NDArray[np.float64] | None = None
    normalised: bool = False
    _tables: _Tables | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check that the shapes match and the values are valid.

        Raises:
            InputError: Shapes do not match, or a value is negative or not a number.
        """
        if self.values.shape != (len(self.samples), len(self.factors)):
            raise InputError(
                f"expression of shape {self.values.shape} does not match {len(self.samples)} samples and "
                f"{len(self.factors)} factors; provide one row per sample and one column per factor"
            )
        if self.tpm is not None and self.tpm.shape != self.values.shape:
            raise InputError(f"TPM of shape {self.tpm.shape} does not match values of shape {self.values.shape}")
        if not (np.isfinite(self.values).all() and (self.values >= 0).all()):
            raise InputError("expression has values that are negative or not numbers; provide ln(1 + TPM)")

    def with_set(self, *settings: str) -> Expression:
        """Add copies of each sample with another TPM of single factors, as `genome --set` does.

        Only the network's input for the changed factors differs between a copy and its sample. The notes on a copy give
        TPM, rank and network input before and after. The values of your own vectors count as normalised already, as
        with `genome --normalised`.

        Args:
            settings: One copy each: `GATA1=0` for a TPM, `TP53*2` for a multiple, `SPI1=absent` for a network input of
                0. Commas combine changes.

        Returns:
            These samples and, behind them, the copies, named such as `liver+GATA1-0`.

        Raises:
            InputError: A setting cannot be read, the network lacks a factor, a multiple is asked of a factor that the
                table lacks, or a sample already has the name of a copy.

        Examples:
            >>> import numpy as np
            >>> values = np.log1p(np.array([[3, 0]], dtype=np.float32))
            >>> liver = Expression(("liver",), ("CTCF", "TBXT"), values).with_set("CTCF=0")
            >>> liver.samples
            ('liver', 'liver+CTCF-0')
            >>> liver.notes[1]
            ('CTCF normalised TPM 3 to 0, network input 1.386 to 0',)
        """
        names = [name for name in self.samples if name not in self.copies]
        tables = self._tables or self._as_tables()
        read = network_inputs(
            list(zip(names, tables.tpm, strict=True)),
            tables.distribution,
            parse_perturbations(settings),
            taken=self.samples,
        )
        copies = [one for with_copies in read for one in with_copies[1:]]
        perturbed = {one.name: one.perturbed for one in copies if one.perturbed is not None}
        return Expression(
            samples=(*self.samples, *perturbed),
            factors=self.factors,
            values=np.stack([*self.values, *(one.values for one in copies)]),
            notes=(*(self.notes or [()] * len(self.samples)), *(one.sentences for one in perturbed.values())),
            copies={**self.copies, **{name: one.sample for name, one in perturbed.items()}},
            _tables=tables,
        )

    def _as_tables(self) -> _Tables:
        """Return the values as if they came from tables of normalised TPM that have every factor."""
        tpm = [
            FactorTPM(self.factors, np.expm1(values.astype(np.float64)), self.factors, renamed=())
            for name, values in zip(self.samples, self.values, strict=True)
            if name not in self.copies
        ]
        return _Tables(tuple(tpm), None)


def read_expression(
    tables: str | PathLike[str] | Iterable[str | PathLike[str]],
    model: str | PathLike[str],
    *,
    samples: Iterable[str] = (),
    merge: str | None = None,
    tx2gene: str | PathLike[str] | None = None,
    max_missing: float = MOST_MISSING,
    normalised: bool = False,
) -> Expression:
    """Read quantifications as `epigept-batch genome --tpm` does.

    Args:
        tables: One or more files: RSEM, salmon, kallisto, StringTie, featureCounts, GCT, a matrix or .h5ad.
        model: The model file; its factors and expression reference are used to read and normalise samples.
        samples: Names of the samples wanted; all by default.
        merge: Name of the mean of all samples, as replicates; by default they stay separate.
        tx2gene: File with the genes of transcripts: GTF, GFF3 or a table.
        max_missing: Share of the factors that a table may lack; missing factors count as TPM 0.
        normalised: Whether the tables hold quantile-normalised TPM.

    Raises:
        InputError: A table cannot be read or holds no TPM, or the model has no expression reference and `normalised` is
            not set.
        ModelError: The file is not a model file.
    """
    request = SampleRequest(
        tables=tuple((None, path) for path in as_paths(tables)),
        samples=tuple(samples),
        merge=merge,
        tx2gene=None if tx2gene is None else Path(tx2gene),
        max_missing=max_missing,
        normalised=normalised,
    )
    return expression_of(request, read_spec(Path(model)), model=Path(model))


def as_paths(files: str | PathLike[str] | Iterable[str | PathLike[str]]) -> list[Path]:
    """Return the paths of one or several files."""
    return [Path(files)] if isinstance(files, str | PathLike) else [Path(file) for file in files]


def expression_of(request: SampleRequest, spec: Spec, *, model: Path) -> Expression:
    """Read the samples of a request as the network's input.

    Raises:
        InputError: A table cannot be read, or the model has no reference to normalise TPM.
    """
    if spec.reference is None and not request.normalised:
        raise InputError(
            "no expression reference in the model; provide quantile-normalised TPM and set normalised=True", model
        )
    distribution = request.distribution(spec.reference)
    found = read_samples(request, spec.factors, spec.reference)
    return Expression(
        samples=tuple(sample.name for sample in found),
        factors=spec.factors,
        values=np.stack([network_expression(sample.tpm.by_factor, distribution) for sample in found]),
        notes=tuple(sample.sentences for sample in found),
        _tables=_Tables(tuple(sample.tpm for sample in found), distribution),
        tpm=np.stack([sample.tpm.by_factor for sample in found]),
        normalised=request.normalised,
    )
