"""Which windows and cells a network is trained on, and which are held out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from epigept_batch.errors import InputError
from epigept_batch.sequence.regions import parse_region

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Region
    from epigept_export.training.config import TrainingConfig


class Window(NamedTuple):
    """A window of the grid."""

    contig: Contig
    number: int


class Part(NamedTuple):
    """Windows and cells, by their numbers."""

    windows: Sequence[int]
    cells: Sequence[int]


def check_names(config: TrainingConfig, kind: str, known: Sequence[str]) -> None:
    """Check that the held-out contigs or cells exist, and that none is held out twice.

    Args:
        config: The configuration.
        kind: `contigs` or `cells`.
        known: The names that exist.

    Raises:
        InputError: A name does not exist, or is in two lists.
    """
    split = config.split
    lists = {f"validation_{kind}": getattr(split, f"validation_{kind}"), f"test_{kind}": getattr(split, f"test_{kind}")}
    if kind == "contigs":
        lists["contigs"] = split.contigs
    for key, names in lists.items():
        if lost := [name for name in names if name not in known]:
            raise InputError(f"split.{key} names {lost[0]}, which does not exist", config.path)
    twice = set(lists[f"validation_{kind}"]) & set(lists[f"test_{kind}"])
    if twice:
        raise InputError(f"split holds out {min(twice)} for both validation and test", config.path)


def split_data(
    config: TrainingConfig,
    windows: Sequence[Window],
    cells: Sequence[str],
    has_tracks: NDArray[np.bool_],
    *,
    window_bp: int,
) -> tuple[Part, Part]:
    """Return what is trained on and what is validated on.

    A window with any base in a held-out region is not trained on; in a region of both kinds, it is only for tests.
    Without validation cells, the cells that are trained on are validated too, on other windows. Cells without any track
    are in neither part.

    Args:
        config: The configuration.
        windows: All windows.
        cells: Names of all cells.
        has_tracks: bool, (cells,): whether a cell has any track.
        window_bp: Base pairs per window.

    Raises:
        InputError: A part is empty, or a region is not in the genome.
    """
    split = config.split
    tested = set(_held(config, "test", windows, window_bp))
    validated = [number for number in _held(config, "validation", windows, window_bp) if number not in tested]
    held = tested.union(validated)
    held_cells = {*split.validation_cells, *split.test_cells}
    trained_cells = [n for n, cell in enumerate(cells) if has_tracks[n] and cell not in held_cells]
    validated_cells = [n for n, cell in enumerate(cells) if has_tracks[n] and cell in split.validation_cells]
    training = Part([number for number in range(len(windows)) if number not in held], trained_cells)
    validation = Part(validated, validated_cells if split.validation_cells else trained_cells)
    for what, part in (("train on", training), ("validate on", validation)):
        if not part.windows or not part.cells:
            lacking = "cell with a track" if part.windows else "window"
            raise InputError(f"split leaves no {lacking} to {what}", config.path)
    return training, validation


def _held(config: TrainingConfig, kind: str, windows: Sequence[Window], window_bp: int) -> Iterator[int]:
    """Yield the numbers of the windows that are held out for one purpose."""
    names = getattr(config.split, f"{kind}_contigs")
    regions = list(_regions(config, f"{kind}_regions", {window.contig for window in windows}))
    for number, (contig, place) in enumerate(windows):
        start, end = place * window_bp, (place + 1) * window_bp
        if contig.name in names or any(
            one.contig == contig.name and one.start < end and start < one.end for one in regions
        ):
            yield number


def _regions(config: TrainingConfig, key: str, contigs: Iterable[Contig]) -> Iterator[Region]:
    known = {contig.name: contig for contig in contigs}
    for text in getattr(config.split, key):
        try:
            yield parse_region(text, known, option=f"split.{key}")
        except InputError as error:
            raise InputError(str(error), config.path) from error
