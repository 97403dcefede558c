"""The run of `epigept-batch plot`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.figures.page import draw_page
from epigept_batch.figures.panels import highest
from epigept_batch.figures.reader import PanelReader, Shown
from epigept_batch.figures.region import MOST_LEFT_MM, RIGHT_OF_MAPS_MM, layout_for
from epigept_batch.figures.style import FONT, FORMATS, lacking, publication_style, save_pages
from epigept_batch.files import make_folder, publish, temporary_beside
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.peaks import stale_peaks
from epigept_batch.sequence.regions import parse_region, read_bed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from epigept_batch.figures.panels import SignalPanel
    from epigept_batch.figures.region import Layout
    from epigept_batch.progress import Progress
    from epigept_batch.tiling import Contig, Region

MISSING_NAMED = 4
"""How many missing files are named."""
MOST_PAGES, MOST_PANELS = 1000, 200
LEAST_MM, MOST_MM = MOST_LEFT_MM + RIGHT_OF_MAPS_MM + 20, 1000.0
"""Limits of the width of a figure."""


@dataclass(frozen=True, kw_only=True)
class PlotRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome` or `contacts`.
        regions: Regions in samtools notation, a page each.
        out: The file; its ending tells the format. With several pages, SVG and PNG become numbered files.
        beds: Files of intervals, a page each.
        samples: Names of samples, in the order wanted; empty for all.
        tracks: Names of tracks; empty for all.
        measured: Measured bigWigs, a path with {sample} and {track}; None for none.
        measured_space: `linear` or `log1p`.
        zero_fill: Whether bases without data have a measured signal of 0.
        peaks: BED files, a path with {sample} and {track}; None for those in the folder.
        genes: File of gene models; None for none.
        contacts: Whether to draw the contact maps that the folder has.
        scale: `common`, `own`, or the highest value that the panels show.
        title: Title of every page; None for the region.
        width_mm: Width of the figure.
        font: Name of a font family.
    """

    folder: Path
    regions: tuple[str, ...]
    out: Path
    beds: tuple[Path, ...] = ()
    samples: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    measured: str | None = None
    measured_space: str = "linear"
    zero_fill: bool = False
    peaks: str | None = None
    genes: Path | None = None
    contacts: bool = True
    scale: str | float = "common"
    title: str | None = None
    width_mm: float = 180.0
    font: str = FONT


def run_plot(request: PlotRequest, progress: Progress) -> list[Path]:
    """Draw the regions, and return the files.

    Nothing is written unless all pages are drawn.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    kind = _format(request)
    folder = read_run_folder(request.folder, request.samples)
    names = [name for sample in folder.samples for name in (sample.name, *(one.name for one in sample.tracks))]
    has_maps = request.contacts and any(sample.contacts is not None for sample in folder.samples)
    layout = layout_for(names, width_mm=request.width_mm, space=folder.space, has_maps=has_maps)
    shown = Shown(
        tracks=request.tracks,
        measured=request.measured,
        measured_space=request.measured_space,
        zero_fill=request.zero_fill,
        peaks=request.peaks,
        genes=request.genes,
        contacts=request.contacts,
        columns=layout.columns,
        whole=layout.whole,
    )
    with publication_style(request.font), PanelReader(folder, shown) as reader:
        if reader.missing:
            progress.say(f"drawn without files that do not exist: {_some(reader.missing)}")
        if request.peaks is None and (stale := stale_peaks(folder)):
            progress.say(f"drawn without peaks of an earlier prediction; call peaks again: {_some(stale)}")
        if letters := lacking("".join([*names, request.title or ""]), request.font):
            progress.say(f"font {request.font} lacks {' '.join(letters)}, drawn as boxes; choose another with --font")
        regions = _regions(request, reader.contigs)
        tops = highest(_signals(reader, region) for region in regions)

        several = len(regions) > 1
        if several:
            progress.start(len(regions))
        paths = _paths(request.out, 1 if kind == "pdf" else len(regions))
        make_folder(request.out.parent)
        with ExitStack() as stack:
            temporaries = [temporary_beside(path) for path in paths]
            for temporary in temporaries:
                stack.callback(temporary.unlink, missing_ok=True)
            pages = [
                partial(draw_page, reader, region, _titled(layout, request, region), request.scale, tops)
                for region in regions
            ]
            drawn = progress.advance if several else None
            save_pages(pages, temporaries, kind, title=request.title or str(regions[0]), drawn=drawn)
            for temporary, path in zip(temporaries, paths, strict=True):
                publish(temporary, path)
    progress.finish(f"figure in {paths[0]}{f' to {paths[-1].name}' if len(paths) > 1 else ''}")
    return paths


def _some(paths: Sequence[Path]) -> str:
    """Return some paths, and how many more there are."""
    more = len(paths) - MISSING_NAMED
    return ", ".join(map(str, paths[:MISSING_NAMED])) + (f" and {more:,} more" if more > 0 else "")


def _format(request: PlotRequest) -> str:
    """Return the format that the name of the file asks for, and check options that need no file.

    Raises:
        InputError: One cannot be used.
    """
    kind = request.out.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError("the name of the figure must end with .pdf, .svg or .png", request.out)
    if request.out.is_dir():
        raise InputError("is a folder; name a file", request.out)
    if not LEAST_MM <= request.width_mm <= MOST_MM:
        raise InputError(f"--width {request.width_mm:g}: must be {LEAST_MM:g} to {MOST_MM:g} mm")
    if not request.regions and not request.beds:
        raise InputError("no region; name one, such as chr2:1,000,001-1,200,000, or pass --bed")
    return kind


def _regions(request: PlotRequest, contigs: Sequence[Contig]) -> list[Region]:
    """Return the regions, those of BED files last.

    Raises:
        InputError: One cannot be used, or there are too many.
    """
    by_name = {contig.name: contig for contig in contigs}
    regions = [parse_region(text, by_name, option="region") for text in request.regions]
    regions += [region for bed in request.beds for region in read_bed(bed, by_name)]
    if len(regions) > MOST_PAGES:
        raise InputError(f"{len(regions):,} regions; a figure has at most {MOST_PAGES:,} pages, so choose fewer")
    return regions


def _signals(reader: PanelReader, region: Region) -> list[SignalPanel]:
    """Return the tracks of a region.

    Raises:
        InputError: There are too many to be drawn, or nothing was predicted there.
    """
    panels = reader.signals(region)
    if len(panels) > MOST_PANELS:
        raise InputError(
            f"{len(panels)} panels; a figure has at most {MOST_PANELS}, so choose with --sample and --tracks"
        )
    return panels


def _titled(layout: Layout, request: PlotRequest, region: Region) -> Layout:
    """Return the layout of a page with its title."""
    place = f"{region.contig}:{region.start + 1:,}-{region.end:,}"
    title = request.title if request.title is not None else f"{region.name}  {place}".strip()
    return replace(layout, title=title)


def _paths(out: Path, pages: int) -> list[Path]:
    """Return the files of pages, numbered if there are several."""
    digits = len(str(pages))
    numbers = [f"-{number:0{digits}}" for number in range(1, pages + 1)] if pages > 1 else [""]
    return [out.with_name(f"{out.stem}{number}{out.suffix}") for number in numbers]
