"""The plan of a screen: its inputs, which are read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.commands.run.journal import MOST_VALUES
from epigept_batch.commands.run.plan import Task, expression_digest, make_plan
from epigept_batch.commands.screen.files import ScreenFiles
from epigept_batch.errors import InputError
from epigept_batch.expression.perturb import ABSENT
from epigept_batch.provenance.made_from import GENOME
from epigept_batch.screen.areas import Areas
from epigept_batch.screen.choice import choose_factors, parse_value
from epigept_batch.screen.inputs import compared_samples, exchange, numbers_of, set_each
from epigept_batch.screen.windows import ROWS, Layout
from epigept_batch.tracks.chosen import choose_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from epigept_batch.commands.run.plan import RunPlan, Sample
    from epigept_batch.commands.screen.request import ScreenRequest
    from epigept_batch.screen.inputs import FactorInputs
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Tile

ZERO = "0"
FEW = 20
"""Number of factors below which a rank among them says little."""


@dataclass(frozen=True, eq=False)
class ScreenPlan:
    """A screen whose inputs have been read and checked.

    Attributes:
        request: What a user asks for.
        run: Model, genome, samples and store.
        areas: The regions and their windows.
        samples: The samples that are screened, each with its changes.
        sources: The same samples, as read.
        tracks: Names of the tracks.
        inputs: What the tables are made from, JSON-compatible.
    """

    request: ScreenRequest
    run: RunPlan
    areas: Areas
    samples: tuple[FactorInputs, ...]
    sources: tuple[Sample, ...]
    tracks: tuple[str, ...]
    inputs: Mapping[str, Any]

    @property
    def files(self) -> ScreenFiles:
        """The files that are made."""
        return ScreenFiles(self.request.out, compares=self.request.between is not None)

    @property
    def layout(self) -> Layout:
        """How the work on a window is cut into parts."""
        return Layout(len(self.samples), len(self.samples[0].factors))

    @property
    def most_evaluations(self) -> int:
        """The largest number of times that the network can run: for every change in every window."""
        return len(self.areas.tiles) * sum(1 + int(sample.differ.sum()) for sample in self.samples)

    def notes(self) -> Iterator[str]:
        """Yield what a user should know about the changes before the work begins."""
        factors = self.layout.factors
        same = [factors - int(sample.differ.sum()) for sample in self.samples]
        if self.request.between is not None and same[0]:
            both = " and ".join(self.request.between)
            yield f"the network reads the same for {same[0]:,} of {factors:,} factors in {both}, so their effect is 0"
        elif self.request.between is None:
            value = self.request.set_to or ZERO
            change = "a network input of 0" if value == ABSENT else f"TPM {value}"
            for sample, number in zip(self.samples, same, strict=True):
                if number:
                    some = f"{number:,} of {factors:,} factors"
                    yield f"{sample.sample}: the network reads the same for {some} at {change}, so their change is 0"
        if factors < FEW:
            yield f"a rank among {factors} factors has little background; --factors all ranks each among all"


def make_screen_plan(request: ScreenRequest) -> ScreenPlan:
    """Read and check all inputs of a screen; the genome stays open.

    Raises:
        EpiGePTError: Something cannot be used.
    """
    if not (request.regions or request.chromosomes or request.beds):
        raise InputError("no region; pass --bed FILE or --region, because a mean over whole chromosomes says little")
    if request.between is not None and request.set_to is not None:
        raise InputError("--set-to has no effect with --between, which sets factors to the other sample's values")
    if request.strongest < 1:
        raise InputError(f"--strongest {request.strongest}: must be at least 1")
    value = parse_value(ZERO if request.set_to is None else request.set_to)
    found = _Found()
    run = make_plan(request, partial(_task, request, found))
    try:
        return _plan(request, run, found, value)
    except BaseException:
        run.genome.close()
        raise


class _Found:
    """What the checks before the genome is read find out."""

    factors: tuple[str, ...]
    tracks: tuple[str, ...]
    areas: Areas


def _task(request: ScreenRequest, found: _Found, spec: Spec) -> Task:
    """Return what a screen wants of a plan.

    Raises:
        InputError: The model lacks a factor or a track, or too many regions lie in a window.
    """
    found.factors = choose_factors(request.factors, spec.factors)
    found.tracks = choose_tracks(request.tracks, spec.tracks)

    def tiles(contigs: Sequence[Contig], regions: Sequence[Region]) -> list[Tile]:
        found.areas = Areas(contigs, regions, spec.geometry)
        most = MOST_VALUES // (2 * max(1 + len(found.factors), ROWS * len(found.tracks)))
        if found.areas.most > most:
            raise InputError(
                f"{found.areas.most:,} regions lie in one window, more than the {most:,} that can be screened at once; "
                "split the BED file"
            )
        return found.areas.tiles

    return Task((), tiles)


def _plan(request: ScreenRequest, run: RunPlan, found: _Found, value: float | None) -> ScreenPlan:
    distribution = request.samples.distribution(run.spec.reference)
    if request.between is None:
        sources = run.samples
        samples = tuple(
            set_each(one.name, one.source.tpm, distribution, factors=found.factors, value=value) for one in sources
        )
    else:
        vectors = np.stack([one.expression for one in run.samples])
        rows = compared_samples(request.between, [one.name for one in run.samples], vectors)
        sources = tuple(run.samples[row] for row in rows)
        samples = exchange(
            request.between,
            vectors[rows],
            np.stack([one.source.tpm.by_factor for one in sources]),
            numbers=numbers_of(found.factors, run.spec.factors),
            factors=found.factors,
        )
    names = {region.contig for region in found.areas.regions}
    inputs = {
        "model": run.model_sha256,
        GENOME: run.genome.md5s(contig for contig in run.genome.contigs if contig.name in names),
        "set of regions": [[r.contig, r.start, r.end, r.name] for r in found.areas.regions],
        "set of samples": {
            one.name: expression_digest(one.source, normalised=request.samples.normalised) for one in sources
        },
        "set of factors": found.factors,
        "value of --set-to": ABSENT if value is None else value,
        "pair of samples": request.between,
        "set of tracks": found.tracks,
        "length of the list of the strongest": request.strongest,
    }
    return ScreenPlan(request, run, found.areas, samples, sources, found.tracks, inputs)
