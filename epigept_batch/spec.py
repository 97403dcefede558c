"""What a model file says of itself: the JSON under `epigept_batch.spec` in its metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import ModelError
from epigept_batch.names import LONGEST_TRACK, PRECISIONS, can_be_file_name
from epigept_batch.tiling import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

METADATA_KEY = "epigept_batch.spec"
FORMAT_VERSION = 1
NO_BASE = 4
"""The token of every base but A 0, C 1, G 2 and T 3."""
DIMENSIONS = 4  # of a signal: windows, samples, bins, tracks
CHECK_BINS = 16
"""Bins of a window whose signal the spec keeps."""
LONGEST_WINDOW = 1 << 24
"""Base pairs; the published networks have 128,000."""
MOST_FACTORS, MOST_TRACKS, MOST_CELLS, WIDEST_MOTIF = 20_000, 1_000, 100_000, 400
FARTHEST = 1 << 20
"""Base pairs from a bin's start to where its motif hits are looked for."""
BACKGROUND = 0.25
LEAST_PROBABILITY = 0.001


@dataclass(frozen=True)
class ScanWindow:
    """Where a bin's motif hits lie: bp [bin start + left, bin start + right), clipped to the contig."""

    left: int
    right: int

    def geometry(self, bins: int, bin_bp: int) -> Geometry:
        """A window of so many bins, with what the hits in them need of the sequence around it."""
        return Geometry(bins, bin_bp, before=max(0, -self.left), after=max(0, self.right - bin_bp))

    def __str__(self) -> str:
        return f"{self.left},{self.right}"


@dataclass(frozen=True, eq=False)
class Motif:
    """A position probability matrix with its detection threshold.

    Attributes:
        name: As in the motif file; not necessarily unique.
        probabilities: float64, (width, 4), columns A, C, G, T; rows need not sum to 1.
        threshold: Least score of a hit, in nats.
        factors: The factors it stands for, sorted.
    """

    name: str
    probabilities: NDArray[np.float64]
    threshold: float
    factors: tuple[str, ...] = ()

    @property
    def log_odds(self) -> NDArray[np.float64]:
        """Score of each base at each position as HOMER 4.11 has it, float64, (width, 4), in nats."""
        return np.log(np.maximum(self.probabilities, LEAST_PROBABILITY) / BACKGROUND)

    @property
    def best_score(self) -> float:
        """The score of the best of all sequences, in nats."""
        return float(self.log_odds.max(axis=1).sum())


@dataclass(frozen=True, eq=False)
class MotifSet:
    """The motifs a network was trained with and the window in which it looks for them."""

    motifs: tuple[Motif, ...]
    window: ScanWindow

    @property
    def factors(self) -> tuple[str, ...]:
        """Every factor that some motif stands for, sorted: the order of the published network."""
        return tuple(sorted({factor for motif in self.motifs for factor in motif.factors}))

    @property
    def sha256(self) -> str:
        """Digest of all that the scores depend on."""
        return _digest(_motif_set_to_json(self))

    @property
    def motifs_sha256(self) -> str:
        """Digest of the motifs alone, without the window."""
        return _digest(_motif_set_to_json(self)["motifs"])


@dataclass(frozen=True, eq=False)
class ExpressionReference:
    """TPM of the training cells, to which a sample is quantile-normalised.

    Attributes:
        cells: Names of the columns.
        matrix: float64, (factors, cells), TPM, in the network's order of factors.
    """

    cells: tuple[str, ...]
    matrix: NDArray[np.float64]

    @cached_property
    def distribution(self) -> NDArray[np.float64]:
        """float64, (factors,): the mean over cells of the values of equal rank, ascending."""
        mean: NDArray[np.float64] = np.sort(self.matrix, axis=0).mean(axis=1)
        return mean


@dataclass(frozen=True, eq=False)
class Check:
    """What the original network gives for generated inputs, by which any device can prove itself.

    Attributes:
        seed: Of `epigept_batch.inference.check.check_inputs`.
        signal: float32, (windows, samples, `check_bins`, tracks).
    """

    seed: int
    signal: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spec:
    """All that the runtime knows of a network besides its graph.

    Attributes:
        architecture: Name of the published architecture.
        geometry: Bins of a window, base pairs of a bin, and the sequence around it that motif hits need.
        tracks: Names of the outputs, in order.
        factors: Names of the factors, in the order of the network's features.
        motif_set: The motifs and the scan window.
        reference: The training cells' expression; None where the file was made without.
        space: What the outputs are; always `log1p`, ln(1 + signal).
        precision: `fp32`, `fp16` or `int8`.
        attention: `fused`, or `plain` for a graph of standard operators only.
        checkpoint_sha256: Digest of the checkpoint that the weights come from.
        versions: Tools that wrote the file, by name.
        check: Known outputs for generated inputs.
        training_windows: Windows that the published network was trained on: by contig the runs [first, last) of
            window numbers on the grid.
        training_cells: Names of the cells it was trained on, where they are known.
        contiguous: Whether it was trained on stretches of a chromosome, as `genome` runs it.
        network: Sizes of the network by name, such as `layers`, `hidden` and `heads`.
    """

    architecture: str
    geometry: Geometry
    tracks: tuple[str, ...]
    factors: tuple[str, ...]
    motif_set: MotifSet
    reference: ExpressionReference | None
    precision: str
    attention: str
    checkpoint_sha256: str
    versions: Mapping[str, str]
    check: Check
    training_windows: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    training_cells: tuple[str, ...] = ()
    contiguous: bool = True
    network: Mapping[str, Any] = field(default_factory=dict)
    space: str = "log1p"

    @property
    def caution(self) -> str | None:
        """What to know of its predictions for a genome, a sentence; None for nothing."""
        if self.contiguous:
            return None
        return (
            f"the {self.architecture} network was trained on open bins joined into windows; on contiguous sequence, "
            "as here, it extrapolates"
        )

    def to_json(self) -> str:
        """The spec as JSON, the same bytes for the same spec."""
        reference = None
        if self.reference is not None:
            reference = {
                "cells": self.reference.cells,
                "distribution": self.reference.distribution.tolist(),
                "matrix": self.reference.matrix.tolist(),
            }
        document = {
            "format_version": FORMAT_VERSION,
            "architecture": self.architecture,
            "bins": self.geometry.bins,
            "bin_bp": self.geometry.bin_bp,
            "tracks": self.tracks,
            "factors": self.factors,
            "motif_set": _motif_set_to_json(self.motif_set),
            "expression_reference": reference,
            "space": self.space,
            "precision": self.precision,
            "attention": self.attention,
            "checkpoint_sha256": self.checkpoint_sha256,
            "versions": dict(self.versions),
            "training_windows": self.training_windows,
            "training_cells": self.training_cells,
            "contiguous": self.contiguous,
            "network": dict(self.network),
            "check": _check_to_json(self.check),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote.

        Raises:
            ModelError: Not a spec, or one of a later format.
        """
        try:
            document = json.loads(text)
            version = document["format_version"]
            if version != FORMAT_VERSION:
                raise ModelError(
                    f"the model file has format {version}, this program reads {FORMAT_VERSION}; "
                    "use the version of epigept-batch that wrote it, or convert the checkpoint again"
                )
            spec = cls._from_document(document)
            _check_bounds(spec)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ModelError(
                f"the spec in the model file is damaged ({type(error).__name__}: {error}); convert the checkpoint again"
            ) from error
        return spec

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Spec:
        factors = tuple(document["factors"])
        reference = None
        if document["expression_reference"] is not None:
            cells = tuple(document["expression_reference"]["cells"])
            matrix = np.array(document["expression_reference"]["matrix"], dtype=np.float64)
            reference = ExpressionReference(cells, matrix.reshape(len(factors), len(cells)))
        motif_set = _motif_set_from_json(document["motif_set"])
        return cls(
            architecture=document["architecture"],
            geometry=motif_set.window.geometry(int(document["bins"]), int(document["bin_bp"])),
            tracks=tuple(document["tracks"]),
            factors=factors,
            motif_set=motif_set,
            reference=reference,
            precision=document["precision"],
            attention=document["attention"],
            checkpoint_sha256=document["checkpoint_sha256"],
            versions=document["versions"],
            check=_check_from_json(document["check"]),
            training_windows={
                contig: tuple((int(first), int(last)) for first, last in runs)
                for contig, runs in document["training_windows"].items()
            },
            training_cells=tuple(document["training_cells"]),
            contiguous=bool(document["contiguous"]),
            network=document["network"],
            space=document["space"],
        )


def _check_bounds(spec: Spec) -> None:
    """See that a spec is of a network that can be: that its parts fit each other, and none is beyond all measure.

    A model file is data from anywhere; what it says decides what is allocated and which files are written.

    Raises:
        ValueError: It is not.
    """
    geometry = spec.geometry
    if not (0 < geometry.bins <= LONGEST_WINDOW and 0 < geometry.bin_bp <= LONGEST_WINDOW // geometry.bins):
        raise ValueError(f"a window of {geometry.bins} bins of {geometry.bin_bp} bp")
    if spec.precision not in PRECISIONS or spec.space != "log1p":
        raise ValueError(f"precision {spec.precision!r}, space {spec.space!r}")
    if not 0 < len(spec.tracks) <= MOST_TRACKS or len({name.casefold() for name in spec.tracks}) < len(spec.tracks):
        raise ValueError(f"{len(spec.tracks)} tracks, or two of one name")
    for name in spec.tracks:
        if not can_be_file_name(name, longest=LONGEST_TRACK):
            raise ValueError(f"track {name[:LONGEST_TRACK]!r} cannot be a file's name")
    _check_motifs(spec)
    _check_values(spec)


def _check_values(spec: Spec) -> None:
    signal = spec.check.signal
    whole = signal.ndim == DIMENSIONS and signal.shape[3] == len(spec.tracks) and signal.shape[2] <= CHECK_BINS
    if spec.check.seed < 0 or not whole or not np.isfinite(signal).all():
        raise ValueError(f"check of shape {signal.shape}")
    if spec.reference is not None:
        matrix = spec.reference.matrix
        if not 0 < len(spec.reference.cells) <= MOST_CELLS or not (np.isfinite(matrix).all() and (matrix >= 0).all()):
            raise ValueError("expression reference with values that are no TPM")
    for runs in spec.training_windows.values():
        if any(not 0 <= first < last for first, last in runs):
            raise ValueError("training windows that end before they begin")


def _check_motifs(spec: Spec) -> None:
    window, motifs = spec.motif_set.window, spec.motif_set.motifs
    if not -FARTHEST <= window.left < window.right <= FARTHEST:
        raise ValueError(f"motif window {window}")
    if not 0 < len(spec.factors) <= MOST_FACTORS or spec.motif_set.factors != spec.factors:
        raise ValueError(f"{len(spec.factors)} factors, which are not those of the motifs")
    for motif in motifs:
        matrix = motif.probabilities
        good = 0 < len(matrix) <= WIDEST_MOTIF and np.isfinite(matrix).all() and (matrix >= 0).all()
        if not good or not np.isfinite(motif.threshold):
            raise ValueError(f"motif {motif.name!r} with a matrix or threshold that cannot be")


def _check_to_json(check: Check) -> dict[str, Any]:
    # The shortest decimals that give the same float32.
    values = [float(str(value)) for value in check.signal.ravel()]
    return {"seed": check.seed, "shape": check.signal.shape, "signal": values}


def _check_from_json(document: dict[str, Any]) -> Check:
    signal = np.array(document["signal"], dtype=np.float32).reshape(document["shape"])
    return Check(int(document["seed"]), signal)


def _motif_set_to_json(motif_set: MotifSet) -> dict[str, Any]:
    return {
        "window": [motif_set.window.left, motif_set.window.right],
        "motifs": [
            {
                "name": motif.name,
                "threshold": motif.threshold,
                "factors": motif.factors,
                "probabilities": motif.probabilities.tolist(),
            }
            for motif in motif_set.motifs
        ],
    }


def _digest(document: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def _motif_set_from_json(document: dict[str, Any]) -> MotifSet:
    motifs = tuple(
        Motif(
            name=motif["name"],
            probabilities=np.array(motif["probabilities"], dtype=np.float64).reshape(-1, 4),
            threshold=float(motif["threshold"]),
            factors=tuple(motif["factors"]),
        )
        for motif in document["motifs"]
    )
    left, right = document["window"]
    return MotifSet(motifs, ScanWindow(int(left), int(right)))
