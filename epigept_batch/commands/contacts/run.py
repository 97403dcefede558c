"""The run of `epigept-batch contacts`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from epigept_batch.commands.contacts.maps import Maps, find_output
from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.run.plan import Task
from epigept_batch.commands.run.run import run_task
from epigept_batch.errors import InputError
from epigept_batch.inference.model_file import read_spec
from epigept_batch.tiling import make_paired_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


def default_overlap(model: Path, map_name: str) -> int:
    """Return the least overlap of at least half of a window with which all windows lie on the map's grid of bins.

    Every pair up to this distance is then seen in whole.

    Args:
        model: The model file.
        map_name: Name of its contact output.

    Raises:
        ModelError: It is not a model file, or has no such output.
    """
    spec = read_spec(model)
    bin_bp = find_output(map_name, spec, model).bin_bp
    window_bp = spec.geometry.window_bp
    return window_bp - max(1, window_bp // 2 // bin_bp) * bin_bp


def contacts_task(request: ContactsRequest, spec: Spec) -> Task:
    """Return what `contacts` wants of a run.

    Raises:
        EpiGePTError: An option does not suit the model.
    """
    maps = Maps(request, spec)
    tracks = Tracks(spec, request.out, names=(), space="log1p") if request.with_tracks else None
    _check_overlap(request, maps)

    def tiles(contigs: Sequence[Contig], regions: Sequence[Region]) -> list[Tile]:
        found = make_paired_tiles(
            contigs,
            maps.network_bins(regions),
            geometry=spec.geometry,
            overlap=request.overlap,
            taken=None if tracks is None else tracks.selection(regions),
        )
        maps.check_expected(found)
        return found

    return Task((maps,) if tracks is None else (maps, tracks), tiles)


def _check_overlap(request: ContactsRequest, maps: Maps) -> None:
    """Refuse windows whose maps would not lie on one grid of bins.

    Raises:
        InputError: The step from window to window is not a multiple of the map's bins.
    """
    if (maps.geometry.window_bp - request.overlap) % maps.bin_bp:
        raise InputError(
            f"--overlap {request.overlap}: must differ from the window of {maps.geometry.window_bp:,} bp by a multiple "
            f"of the map's bins of {maps.bin_bp:,} bp"
        )
