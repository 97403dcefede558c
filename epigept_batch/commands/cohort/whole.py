"""`epigept-batch genome --cube`: a cohort from its plan to its statistics, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from epigept_batch.commands.cohort.compute import run_locally
from epigept_batch.commands.cohort.finalise import run_finalise
from epigept_batch.commands.cohort.init import run_init
from epigept_batch.commands.cohort.request import ComputeRequest, InitRequest
from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from epigept_batch.commands.genome.request import GenomeRequest
    from epigept_batch.progress import Progress

ADVICE = "omit --cube, or write bigWigs of samples with epigept-batch cohort extract"


def run_whole(request: GenomeRequest, progress: Progress) -> dict[str, Any]:
    """Predict all samples into one cube in the output folder. A run that was stopped goes on when it is repeated.

    Args:
        request: What to do.
        progress: Receives an update per unit.

    Returns:
        The record of the cohort.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    contradictions = {
        "--differences": request.differences,
        "--vcf": request.vcf is not None,
        "--vcf-sample": request.vcf_sample is not None,
        "--unphased": request.unphased is not None,
        "--report": request.report,
        "--space linear": request.space != "log1p",
        "--batch-size": request.batch_size is not None,
        "--force": request.force,
        "--fresh": request.fresh,
    }
    for option, given in contradictions.items():
        if given:
            raise InputError(f"{option} cannot be used with --cube; {ADVICE}")
    location = str(request.out)
    run_init(InitRequest(genome=request, location=location), progress)
    run_locally(ComputeRequest(location=location), None, progress)
    return run_finalise(location, progress)
