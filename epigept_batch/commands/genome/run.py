"""The run of `epigept-batch genome`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.report import ReportRequest, check_report, run_report
from epigept_batch.commands.run.plan import Task
from epigept_batch.commands.run.run import run_task
from epigept_batch.errors import InputError
from epigept_batch.tiling import make_tiles
from epigept_batch.variants.personal import read_personal_genome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from epigept_batch.commands.genome.request import GenomeRequest
    from epigept_batch.progress import Progress
    from epigept_batch.provenance.run_record import OutputFiles
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Tile
    from epigept_batch.variants.personal import PersonalGenome


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
    if request.report:
        check_report(ReportRequest(request.out, force=request.force))
    (files,) = run_task(request, partial(genome_task, request), progress)
    if request.report:
        run_report(ReportRequest(request.out, tuple(files), force=request.force), progress)
    return files


def genome_task(request: GenomeRequest, spec: Spec) -> Task:
    """Return what `genome` wants of a run.

    Raises:
        InputError: The model has no such track, or options contradict each other.
    """
    if request.differences and not request.perturbations:
        raise InputError("--differences: no perturbed copy to subtract from; add --set FACTOR=TPM, or omit this option")
    tracks = Tracks(
        spec.tracks,
        request.out,
        bin_bp=spec.geometry.bin_bp,
        names=request.tracks,
        space=request.space,
        overlap=request.overlap,
        differences=request.differences,
    )

    def tiles(contigs: Sequence[Contig], regions: Sequence[Region]) -> list[Tile]:
        selection = tracks.selection(regions)
        return make_tiles(contigs, selection, geometry=spec.geometry, overlap=request.overlap)

    return Task((tracks,), tiles, _personal(request))


def _personal(request: GenomeRequest) -> Callable[[Genome, Sequence[Contig]], PersonalGenome] | None:
    """Return what reads the personal genome; None if there is none.

    Raises:
        InputError: Options describe a personal genome, but there is no file.
    """
    vcf = request.vcf
    if vcf is not None:
        return lambda genome, contigs: read_personal_genome(
            vcf, request.vcf_sample, genome, contigs, unphased=request.unphased
        )
    if request.vcf_sample is not None or request.unphased is not None:
        option = "--unphased" if request.vcf_sample is None else "--vcf-sample"
        raise InputError(f"{option} describes the variants of a personal genome; add --vcf FILE, or omit this option")
    return None
