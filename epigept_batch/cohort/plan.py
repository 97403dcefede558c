"""The plan of a cohort: all that its values depend on, fixed before the first unit is computed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig, bins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from epigept_batch.tiling import Span

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Shape:
    """How a cube is cut.

    Attributes:
        samples: Samples per unit, and rows of a shard.
        bins: Bins per unit, and columns of a shard.
        chunk_samples: Samples per chunk, a divisor of `samples`.
        chunk_bins: Bins per chunk, a divisor of `bins`.
    """

    samples: int
    bins: int
    chunk_samples: int
    chunk_bins: int


@dataclass(frozen=True)
class Computation:
    """How the network is run. The bits of values depend on it, and on the kind of processor.

    Attributes:
        device: `cpu`, `cuda`, `openvino` or `openvino:bf16`.
        precision: The precision of the model file.
        windows: Windows per call of the network.
        samples: Samples per call of the network.
        threads: CPU threads of a worker.
    """

    device: str
    precision: str
    windows: int
    samples: int
    threads: int


@dataclass(frozen=True)
class Places:
    """Where inputs lie on the machine that made the plan. Values do not depend on it; workers may be told others.

    Attributes:
        model: The model file.
        fasta: The genome.
        scores: The store of motif scores; None to scan.
    """

    model: str
    fasta: str
    scores: str | None


@dataclass(frozen=True, eq=False)
class CohortPlan:
    """The plan of a cohort.

    Attributes:
        version: The version of this program that made it.
        model: SHA-256 of the model file.
        genome: MD5 of each selected contig, by name.
        contigs: All contigs of the FASTA, in its order.
        selection: The selected bins, by contig.
        window_bins: Bins per window of the network.
        bin_bp: Base pairs per bin.
        overlap: Base pairs that neighbouring windows share.
        tracks: Names of the tracks, in the order of the model.
        samples: Number of samples.
        sample_digest: SHA-256 of the file that describes the samples.
        expression_digest: SHA-256 of the file with the network's input of each sample.
        dtype: Type of the cube's values.
        shape: How the cube is cut.
        computation: How the network is run.
        places: Where inputs lie.
    """

    version: str
    model: str
    genome: Mapping[str, str]
    contigs: tuple[Contig, ...]
    selection: Mapping[str, tuple[Span, ...]]
    window_bins: int
    bin_bp: int
    overlap: int
    tracks: tuple[str, ...]
    samples: int
    sample_digest: str
    expression_digest: str
    dtype: str
    shape: Shape
    computation: Computation
    places: Places

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that values depend on."""
        document = {name: value for name, value in self._document().items() if name != "places"}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def bins_of(self, contig: Contig) -> int:
        """Return the number of bins of a contig; the last one may be partial."""
        return bins_of(contig.length, self.bin_bp)

    def to_json(self) -> str:
        """Return the plan as text."""
        document = {"format_version": FORMAT_VERSION, **self._document(), "digest": self.digest}
        return json.dumps(document, indent=1) + "\n"

    def _document(self) -> dict[str, Any]:
        document = {one.name: getattr(self, one.name) for one in fields(self)}
        parts = {name: asdict(document[name]) for name in ("shape", "computation", "places")}
        return {
            **document,
            **parts,
            "contigs": [[contig.name, contig.length] for contig in self.contigs],
            "selection": {name: [list(span) for span in spans] for name, spans in self.selection.items()},
        }

    @classmethod
    def of_json(cls, text: bytes, where: str) -> Self:
        """Read a plan.

        Args:
            text: Its text.
            where: Where it lies, for messages.

        Raises:
            InputError: It is damaged, was edited, or is of another version.
        """
        try:
            document = json.loads(text)
            version = document.pop("format_version")
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            raise InputError("not the plan of a cohort; make one with epigept-batch cohort init", where) from error
        if version != FORMAT_VERSION:
            raise InputError(
                f"plan has format {version}, but this version reads format {FORMAT_VERSION}; use the version of "
                "epigept-batch that made it",
                where,
            )
        try:
            digest = document.pop("digest")
            plan = cls(**{name: _FORMS[name](value) if name in _FORMS else value for name, value in document.items()})
            intact = plan.digest == digest
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            raise InputError("the plan is damaged; restore it, or start a new cohort", where) from error
        if not intact:
            raise InputError("the plan was edited after init; restore it, or start a new cohort with init", where)
        return plan


_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "contigs": lambda pairs: tuple(Contig(name, length) for name, length in pairs),
    "selection": lambda by_contig: {
        name: tuple((first, last) for first, last in spans) for name, spans in by_contig.items()
    },
    "tracks": tuple,
    "shape": lambda parts: Shape(**parts),
    "computation": lambda parts: Computation(**parts),
    "places": lambda parts: Places(**parts),
}
"""How fields are made of JSON, where they are not values of it."""
