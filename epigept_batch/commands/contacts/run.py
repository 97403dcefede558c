"""The run of `epigept-batch contacts`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from epigept_batch.commands.contacts.maps import Maps
from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.run.plan import Task
from epigept_batch.commands.run.run import run_task
from epigept_batch.tiling import make_paired_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.commands.contacts.request import ContactsRequest
    from epigept_batch.progress import Progress
    from epigept_batch.provenance.run_record import OutputFiles
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Tile


def run_contacts(request: ContactsRequest, progress: Progress) -> dict[str, OutputFiles]:
    """Predict the contact maps of every sample and write them, with the tracks if they are wanted.

    Errors in the user's inputs are found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        progress: Receives an update per window.

    Returns:
        The contact files of each sample, by name.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    return run_task(request, partial(contacts_task, request), progress)[0]


def contacts_task(request: ContactsRequest, spec: Spec) -> Task:
    """Return what `contacts` wants of a run.

    Raises:
        EpiGePTError: An option does not suit the model.
    """
    maps = Maps(request, spec)
    tracks = None
    if request.with_tracks:
        tracks = Tracks(
            spec.tracks,
            request.out,
            bin_bp=spec.geometry.bin_bp,
            names=(),
            space="log1p",
            overlap=maps.overlap,
            differences=False,
        )

    def tiles(contigs: Sequence[Contig], regions: Sequence[Region]) -> list[Tile]:
        found = make_paired_tiles(
            contigs,
            maps.network_bins(regions),
            geometry=spec.geometry,
            overlap=maps.overlap,
            taken=None if tracks is None else tracks.selection(regions),
        )
        maps.check_expected(found)
        return found

    return Task((maps,) if tracks is None else (maps, tracks), tiles)
