"""Write a session of IGV desktop: the tracks of a run with colours and common scales, by relative path."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from epigept_batch.browser.hub import rgb
from epigept_batch.results.colours import DOWN, UP, track_colours
from epigept_batch.results.scales import common_scales

if TYPE_CHECKING:
    from epigept_batch.results.folder import ResultTrack, RunFolder

SESSION_FILE = "epigept_igv.xml"
VERSION = "8"
"""Version of the format that IGV desktop has written since 2014."""
TRACK_PIXELS = "40"


def igv_session(folder: RunFolder, genome: str) -> str:
    """Return the session as XML.

    Args:
        folder: What the run left. All files lie beside the session.
        genome: IGV's name of the genome, such as `hg38`.
    """
    session = ET.Element("Session", genome=genome, version=VERSION, hasGeneTrack="true", hasSequenceTrack="true")
    if folder.regions:
        session.set("locus", folder.regions[0])
    resources = ET.SubElement(session, "Resources")
    panel = ET.SubElement(session, "Panel", name="DataPanel")
    scales, colours = common_scales(folder), track_colours(folder.tracks)
    order = {name: number for number, name in enumerate(folder.tracks)}
    for track in sorted(folder.all_tracks(), key=lambda one: (one.is_difference, order[one.name])):
        ET.SubElement(resources, "Resource", path=track.path.name)
        panel.append(_track(track, colours[track.name], scales[track.label]))
    for sample in folder.samples:
        if sample.contacts is not None:
            name = sample.contacts.bedpe.name
            ET.SubElement(resources, "Resource", path=name)
            ET.SubElement(panel, "Track", id=name, name=f"{sample.name} contacts", visible="true")
    ET.indent(session)
    return ET.tostring(session, encoding="unicode", xml_declaration=True) + "\n"


def _track(track: ResultTrack, colour: str, limits: tuple[float, float]) -> ET.Element:
    """Return a track, whose id is its file, and its scale."""
    low, high = limits
    element = ET.Element(
        "Track",
        id=track.path.name,
        name=f"{track.sample} {track.label.replace('.', ' ')}",
        color=rgb(UP if track.is_difference else colour),
        altColor=rgb(DOWN if track.is_difference else colour),
        autoScale="false",
        height=TRACK_PIXELS,
        renderer="BAR_CHART",
        windowFunction="mean",
        visible="true",
    )
    ET.SubElement(
        element,
        "DataRange",
        minimum=f"{low:g}",
        baseline="0",
        maximum=f"{high:g}",
        drawBaseline="true",
        flipAxis="false",
        type="LINEAR",
    )
    return element
