"""Answer what-if questions about a region of finished tracks, one after another, with a model that stays loaded."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from epigept_batch.browser.live import Answer, Question
from epigept_batch.commands.run.samples import read_inputs
from epigept_batch.errors import InputError
from epigept_batch.expression.perturb import check_factors, parse_perturbation, perturb
from epigept_batch.inference.device import AUTO, Device, RunOptions
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.session import open_sessions
from epigept_batch.prediction.what_if import Piece, WhatIf
from epigept_batch.provenance.made_from import GENOME
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.regions import by_any_name, parse_region
from epigept_batch.variants.typed import parse_change

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.expression.copies import NetworkInput
    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.expression.samples import SampleExpression
    from epigept_batch.results.folder import RunFolder
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Tile
    from epigept_batch.variants.changes import Change

LOG1P = "log1p"
MOST_BP = 1_024_000
"""Base pairs per question: eight windows of the published networks."""


@dataclass(frozen=True, kw_only=True)
class LiveRequest:
    """What a user asks for.

    Attributes:
        samples: Which samples of which tables.
        model: The model file.
        fasta: The genome.
        device: Device on which the network runs.
        threads: Number of CPU threads.
    """

    samples: SampleRequest
    model: Path
    fasta: Path
    device: Device = AUTO
    threads: int = 1


class LiveModel:
    """A loaded model, its genome and samples; see `browser.live.Live`. It answers one question at a time.

    Args:
        request: What to load.
        folder: The tracks that answers are compared with.
        say: Called with a sentence for the user while the model is loaded.

    Attributes:
        notes: What a person should know of the answers, one sentence each.

    Raises:
        EpiGePTError: An input cannot be used, or the genome is not that of the tracks.
    """

    def __init__(self, request: LiveRequest, folder: RunFolder, say: Callable[[str], None]) -> None:
        self._spec = read_spec(request.model)
        self._distribution = request.samples.distribution(self._spec.reference)
        read = read_inputs(request.samples, self._spec, (), model=request.model)
        self._samples = {source.name: (source, inputs[0]) for source, inputs in read}
        self._space = folder.space
        self._one_asks = Lock()
        with ExitStack() as stack:
            self._genome = stack.enter_context(Genome(request.fasta))
            self.notes = tuple(_differences_from(folder, self._genome, request, self._spec, self._samples))
            digest = file_sha256(request.model)
            options = RunOptions(self._spec.precision, threads=request.threads, batch_size=2, samples=2, digest=digest)
            sessions = open_sessions(request.model, request.device, options, say=say)
            self._what_if = stack.enter_context(
                WhatIf(self._genome, self._spec, sessions, overlap=_overlap(folder), threads=request.threads, say=say)
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._one_asks:
            self._stack.close()

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of the model."""
        return self._spec.tracks

    @property
    def bin_bp(self) -> int:
        """Base pairs per bin."""
        return self._spec.geometry.bin_bp

    def expression(self) -> dict[str, dict[str, float]]:
        """Return the TPM of each factor in each sample."""
        return {
            name: dict(zip(self._spec.factors, map(float, source.tpm.by_factor), strict=True))
            for name, (source, _) in self._samples.items()
        }

    def ask(self, question: Question) -> Answer:
        """Check a question, and begin to answer it; another one waits until this answer is read or closed.

        Raises:
            InputError: A sample, region, factor or variant cannot be used, nothing changes, the region is too large, or
                the variant is outside of its windows.
        """
        if question.sample not in self._samples:
            raise InputError(f"no expression of sample '{question.sample}'; there is one of {', '.join(self._samples)}")
        source, inputs = self._samples[question.sample]
        region = parse_region(question.region, {contig.name: contig for contig in self._genome.contigs})
        tiles = self._tiles(region)
        vector, sentences = self._changed_factors(source, question.settings.strip())
        change = self._change(question.variant.strip(), tiles)
        if vector is None and change is None:
            raise InputError("nothing to change; set a factor, such as GATA1=0, or type a variant")
        if change is not None:
            sentences = (*sentences, f"{question.variant.strip()} in the sequence")
        pieces = self._what_if.predict(tiles, (inputs.values, vector), change)
        return Answer(region, len(tiles), sentences, self._in_turn(pieces))

    def _tiles(self, region: Region) -> list[Tile]:
        length = region.end - region.start
        if length > MOST_BP:
            raise InputError(f"{length:,} bp are shown; zoom in to at most {MOST_BP:,} bp, then predict again")
        return self._what_if.tiles(region)

    def _changed_factors(
        self, source: SampleExpression, text: str
    ) -> tuple[NDArray[np.float32] | None, tuple[str, ...]]:
        """Return what the network reads with changed factors, and what changes, a sentence each."""
        if not text:
            return None, ()
        perturbation = parse_perturbation(text)
        check_factors([perturbation], self._spec.factors)
        vector, changes = perturb(source.tpm, self._distribution, perturbation)
        return vector, tuple(map(str, changes))

    def _change(self, text: str, tiles: Sequence[Tile]) -> tuple[Contig, Change] | None:
        """Return a change of the sequence in one of the windows, or so near that it changes their motif scores.

        Raises:
            InputError: The text cannot be used, or the change is outside, so it would change nothing.
        """
        if not text:
            return None
        geometry = self._spec.geometry
        contigs = by_any_name(self._genome.contigs)
        contig, change = parse_change(text, contigs, self._genome, longest=geometry.window_bp // 2)
        near = any(
            tile.contig == contig
            and change.end >= tile.start - geometry.before
            and change.start <= tile.start + geometry.window_bp + geometry.after
            for tile in tiles
        )
        if not near:
            raise InputError(f"'{text}': outside of the windows of the region, so it changes nothing there")
        return contig, change

    def _in_turn(self, pieces: Generator[Piece, None, None]) -> Generator[Piece, None, None]:
        """Yield the pieces in the space of the tracks, when no other answer is being computed."""
        with self._one_asks, closing(pieces):
            for piece in pieces:
                yield piece if self._space == LOG1P else Piece(piece.first_bin, np.expm1(piece.values))


def _differences_from(
    folder: RunFolder,
    genome: Genome,
    request: LiveRequest,
    spec: Spec,
    samples: Mapping[str, tuple[SampleExpression, NetworkInput]],
) -> list[str]:
    """Return in what the model and samples differ from those of the tracks, a sentence each.

    Raises:
        InputError: The genome differs.
    """
    contigs = {contig.name: contig for contig in genome.contigs}
    notes: list[str] = []
    for sample in folder.samples:
        for name, checksum in (sample.any_record["inputs"].get(GENOME) or {}).items():
            if name not in contigs or genome.md5(contigs[name]) != checksum:
                raise InputError(
                    f"{name} differs from the genome of {sample.name}'s tracks; use that FASTA", genome.path
                )
    digest = file_sha256(request.model)
    if any(sample.any_record["inputs"].get("model") != digest for sample in folder.samples):
        notes.append(f"{request.model} is not the model that made the tracks, so its answers differ from them")
    if spec.caution is not None:
        notes.append(spec.caution)
    lacking = [sample.name for sample in folder.samples if sample.name not in samples]
    if lacking:
        notes.append(f"no expression of {', '.join(lacking)}, so there is no live prediction for them")
    return notes


def _overlap(folder: RunFolder) -> int:
    """Return the overlap of windows with which the tracks were made."""
    found: Any = folder.samples[0].record.get("inputs", {}).get("overlap", 0)
    return int(found)
