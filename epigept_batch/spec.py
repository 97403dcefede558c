"""The spec of a model file: the JSON under `epigept_batch.spec` in its metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
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
"""The token of every base other than A (0), C (1), G (2) and T (3)."""
DIMENSIONS = 4  # of a signal: windows, samples, bins, tracks
CHECK_BINS = 16
"""Number of bins per window whose signal the spec keeps."""
LONGEST_WINDOW = 1 << 24
"""Most base pairs of a window; the published networks have 128,000."""
MOST_FACTORS, MOST_TRACKS, MOST_CELLS, WIDEST_MOTIF = 20_000, 1_000, 100_000, 400
"""Limits of a model file. The widest motif, in bp, is far above any real one and fits the scan's 16-bit tables."""
FARTHEST = 1 << 20
"""Most base pairs between a bin's start and either end of its scan window."""
BACKGROUND = 0.25
LEAST_PROBABILITY = 0.001


@dataclass(frozen=True)
class ScanWindow:
    """Where a bin's motif hits lie: bp [bin start + left, bin start + right), clipped to the contig."""

    left: int
    right: int

    def geometry(self, bins: int, bin_bp: int) -> Geometry:
        """Return a window of this many bins, with the flanking sequence that motif hits need."""
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
        factors: The factors that the motif represents, sorted.
    """

    name: str
    probabilities: NDArray[np.float64]
    threshold: float
    factors: tuple[str, ...] = ()

    @property
    def log_odds(self) -> NDArray[np.float64]:
        """Score of each base at each position as in HOMER 4.11, float64, (width, 4), in nats."""
        return np.log(np.maximum(self.probabilities, LEAST_PROBABILITY) / BACKGROUND)

    @property
    def best_score(self) -> float:
        """The highest possible score, in nats."""
        return float(self.log_odds.max(axis=1).sum())


@dataclass(frozen=True, eq=False)
class MotifSet:
    """The motifs that a network was trained with, and the window in which their hits are searched."""

    motifs: tuple[Motif, ...]
    window: ScanWindow

    @property
    def factors(self) -> tuple[str, ...]:
        """Every factor with a motif, sorted: the order of the published network."""
        return tuple(sorted({factor for motif in self.motifs for factor in motif.factors}))

    @property
    def sha256(self) -> str:
        """Digest of everything that the scores depend on."""
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
    """The original network's output for generated inputs, to verify any device against.

    Attributes:
        seed: Seed for `epigept_batch.inference.check.check_inputs`.
        signal: float32, (windows, samples, `check_bins`, tracks).
    """

    seed: int
    signal: NDArray[np.float32]


@dataclass(frozen=True)
class ContactOutput:
    """An output of a network: the attention between the bins of a window, averaged.

    Attributes:
        name: Name of the output.
        layers: Numbers of the transformer layers that it averages over, from 0, ascending.
        bin_bp: Base pairs per bin of the map.
    """

    name: str
    layers: tuple[int, ...]
    bin_bp: int


@dataclass(frozen=True, eq=False)
class Spec:
    """Everything that the runtime knows about a network apart from its graph.

    Attributes:
        architecture: Name of the published architecture.
        geometry: Bins per window, base pairs per bin, and the flanking sequence that motif hits need.
        tracks: Names of the outputs, in order.
        factors: Names of the factors, in the order of the network's features.
        motif_set: The motifs and the scan window.
        reference: The training cells' expression; None if the file was made without it.
        space: What the outputs mean; always `log1p`, ln(1 + signal).
        precision: `fp32`, `fp16` or `int8`.
        attention: `fused`, or `plain` for a graph with standard operators only.
        checkpoint_sha256: Digest of the checkpoint that the weights come from.
        versions: Versions of the tools that wrote the file, by name.
        check: Known outputs for generated inputs.
        training_windows: Windows that the published network was trained on: for each contig, the ranges [first, last)
            of window numbers on the grid.
        training_cells: Names of the cells that it was trained on, if known.
        contiguous: Whether it was trained on contiguous sequence, which is what `genome` gives it.
        network: Sizes of the network by name, such as `layers`, `hidden` and `heads`.
        contacts: Its contact outputs.
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
    contacts: tuple[ContactOutput, ...] = ()

    @property
    def caution(self) -> str | None:
        """A sentence about the limits of its predictions on a genome; None if there is nothing to say."""
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
        if self.contacts:  # only then, so that files without them stay the same to the byte
            document["contacts"] = [asdict(output) for output in self.contacts]
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote.

        Raises:
            ModelError: Not a spec, or a spec of another format version.
        """
        try:
            document = json.loads(text)
            version = document["format_version"]
            if version != FORMAT_VERSION:
                raise ModelError(
                    f"the model file has format {version}, but this version reads format {FORMAT_VERSION}; "
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
            contacts=tuple(
                ContactOutput(output["name"], tuple(map(int, output["layers"])), int(output["bin_bp"]))
                for output in document.get("contacts", ())
            ),
        )


def _check_bounds(spec: Spec) -> None:
    """Check that a spec describes a possible network: its parts fit each other and stay within limits.

    A model file may come from anywhere, and its spec decides how much is allocated and which files are written.

    Raises:
        ValueError: It does not.
    """
    geometry = spec.geometry
    if not (0 < geometry.bins <= LONGEST_WINDOW and 0 < geometry.bin_bp <= LONGEST_WINDOW // geometry.bins):
        raise ValueError(f"window of {geometry.bins} bins of {geometry.bin_bp} bp")
    if spec.precision not in PRECISIONS or spec.space != "log1p":
        raise ValueError(f"precision {spec.precision!r}, space {spec.space!r}")
    if not 0 < len(spec.tracks) <= MOST_TRACKS or len({name.casefold() for name in spec.tracks}) < len(spec.tracks):
        raise ValueError(f"{len(spec.tracks)} tracks, or two tracks with the same name")
    for name in spec.tracks:
        if not can_be_file_name(name, longest=LONGEST_TRACK):
            raise ValueError(f"track {name[:LONGEST_TRACK]!r} cannot be part of a file name")
    _check_motifs(spec)
    _check_values(spec)
    _check_contacts(spec)


def _check_contacts(spec: Spec) -> None:
    names = {output.name for output in spec.contacts}
    if len(names) < len(spec.contacts) or not all(name.startswith("contacts") for name in names):
        raise ValueError("contact outputs with odd names")
    for output in spec.contacts:
        fits = 0 < output.bin_bp <= spec.geometry.window_bp and not spec.geometry.window_bp % output.bin_bp
        if not fits or output.bin_bp % spec.geometry.bin_bp or not output.layers or min(output.layers) < 0:
            raise ValueError(f"contact bins of {output.bin_bp} bp, or no layers")


def _check_values(spec: Spec) -> None:
    signal = spec.check.signal
    whole = signal.ndim == DIMENSIONS and signal.shape[3] == len(spec.tracks) and signal.shape[2] <= CHECK_BINS
    if spec.check.seed < 0 or not whole or not np.isfinite(signal).all():
        raise ValueError(f"check of shape {signal.shape}")
    if spec.reference is not None:
        matrix = spec.reference.matrix
        if not 0 < len(spec.reference.cells) <= MOST_CELLS or not (np.isfinite(matrix).all() and (matrix >= 0).all()):
            raise ValueError("expression reference with values that are not TPM")
    for runs in spec.training_windows.values():
        if any(not 0 <= first < last for first, last in runs):
            raise ValueError("training windows that end before they start")


def _check_motifs(spec: Spec) -> None:
    window, motifs = spec.motif_set.window, spec.motif_set.motifs
    if not -FARTHEST <= window.left < window.right <= FARTHEST:
        raise ValueError(f"motif window {window}")
    if not 0 < len(spec.factors) <= MOST_FACTORS or spec.motif_set.factors != spec.factors:
        raise ValueError(f"{len(spec.factors)} factors that differ from those of the motifs")
    for motif in motifs:
        matrix = motif.probabilities
        good = 0 < len(matrix) <= WIDEST_MOTIF and np.isfinite(matrix).all() and (matrix >= 0).all()
        if not good or not np.isfinite(motif.threshold):
            raise ValueError(f"motif {motif.name!r} with an invalid matrix or threshold")


def _check_to_json(check: Check) -> dict[str, Any]:
    # The shortest decimals that convert back to the same float32.
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


def _digest(document: Any) -> str:  # noqa: ANN401 - any JSON value
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
