"""The run of `epigept-batch genome`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.run.plan import Task
from epigept_batch.commands.run.run import run_task
from epigept_batch.errors import InputError
from epigept_batch.tiling import make_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.commands.genome.request import GenomeRequest
    from epigept_batch.progress import Progress
    from epigept_batch.provenance.run_record import OutputFiles
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Tile


def run_genome(request: GenomeRequest, progress: Progress) -> dict[str, OutputFiles]:
    """Predict the tracks of every sample and write them.

    Errors in the user's inputs are found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        progress: Receives an update per window.

    Returns:
        The files of each sample, by name.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    (files,) = run_task(request, partial(genome_task, request), progress)
    return files


def genome_task(request: GenomeRequest, spec: Spec) -> Task:
    """Return what `genome` wants of a run.

    Raises:
        InputError: The model has no such track, or differences are wanted of nothing.
    """
    if request.differences and not request.perturbations:
        raise InputError("--differences: no perturbed copy to subtract from; add --set FACTOR=TPM, or omit this option")
    tracks = Tracks(
        spec,
        request.out,
        names=request.tracks,
        space=request.space,
        overlap=request.overlap,
        differences=request.differences,
    )

    def tiles(contigs: Sequence[Contig], regions: Sequence[Region]) -> list[Tile]:
        selection = tracks.selection(regions)
        return make_tiles(contigs, selection, geometry=spec.geometry, overlap=request.overlap)

    return Task((tracks,), tiles)
