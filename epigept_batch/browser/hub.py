"""Describe the tracks of a run as a UCSC track hub: one file of stanzas, by UCSC's definition v3 with `useOneFile`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from epigept_batch.results.colours import DOWN, UP, track_colours
from epigept_batch.results.scales import common_scales
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from epigept_batch.results.folder import ResultTrack, RunFolder

HUB_FILE, ABOUT_FILE = "hub.txt", "epigept_hub.html"
HUB_NAME = "epigept_batch"
"""The first line of a hub of this program names it so."""
PREDICTIONS, DIFFERENCES = "epigept_predictions", "epigept_differences"
"""Names of the two composites."""
LONGEST_NAME, LONGEST_SHORT, LONGEST_LONG = 128, 17, 76
"""Letters of names of tracks, and of labels that UCSC displays whole."""
MOST_SHOWN = 40
"""Number of tracks that the browser shows at first; the others can be ticked."""
SHORTEST_RUN = 4
"""Least letters of a sample's name in a short label."""


@dataclass(frozen=True)
class HubOptions:
    """What the user says about a hub.

    Attributes:
        genome: UCSC's name of the assembly, such as `hg38`.
        email: Address for questions, which UCSC requires.
        label: Name of the hub.
    """

    genome: str
    email: str
    label: str


Stanza = list[tuple[str, str]]
"""Settings and their values, in order."""


def hub_text(folder: RunFolder, options: HubOptions) -> str:
    """Return the content of `hub.txt`.

    Args:
        folder: What the run left. All tracks lie beside `hub.txt`.
        options: What the user says.
    """
    stanzas: list[Stanza] = [
        [
            ("hub", HUB_NAME),
            ("shortLabel", ascii_label(options.label, LONGEST_SHORT)),
            ("longLabel", ascii_label(f"{options.label}: epigenome predicted from RNA-seq with EpiGePT", LONGEST_LONG)),
            ("useOneFile", "on"),
            ("email", options.email),
            ("descriptionUrl", ABOUT_FILE),
        ],
        [("genome", options.genome)],
    ]
    scales = common_scales(folder)
    used: set[str] = {PREDICTIONS, DIFFERENCES}
    for composite, name, is_difference in (
        (f"Predicted {value_name(folder)}", PREDICTIONS, False),
        (f"Perturbed minus unperturbed sample, {value_name(folder)}", DIFFERENCES, True),
    ):
        tracks = _by_mark([track for track in folder.all_tracks() if track.is_difference == is_difference])
        if tracks:
            stanzas += _composite(tracks, name, composite, scales, used)
    return "\n".join(_written(stanza) for stanza in stanzas)


def value_name(folder: RunFolder) -> str:
    """Return what the tracks hold."""
    return "ln(1 + signal)" if folder.space == "log1p" else "signal"


def _by_mark(tracks: Sequence[ResultTrack]) -> list[ResultTrack]:
    """Sort tracks by their place in the model; samples stay in order."""
    order = list(dict.fromkeys(track.name for track in tracks))
    return sorted(tracks, key=lambda track: order.index(track.name))


def _composite(
    tracks: Sequence[ResultTrack],
    name: str,
    label: str,
    scales: Mapping[str, tuple[float, float]],
    used: set[str],
) -> Iterator[Stanza]:
    """Yield the stanza of a composite, and those of its tracks."""
    marks = tags(track.name for track in tracks)
    samples = tags(track.sample for track in tracks)
    colours = track_colours(track.name for track in tracks)
    yield [
        ("track", name),
        ("compositeTrack", "on"),
        ("shortLabel", "EpiGePT" if name == PREDICTIONS else "EpiGePT changes"),
        ("longLabel", ascii_label(label, LONGEST_LONG)),
        ("type", "bigWig"),
        ("visibility", "full"),
        ("subGroup1", f"mark Mark {_members(marks)}"),
        ("subGroup2", f"sample Sample {_members(samples)}"),
        ("dimensions", "dimX=mark dimY=sample"),
        ("sortOrder", "mark=+ sample=+"),
        ("dragAndDrop", "subTracks"),
        ("autoScale", "off"),
        ("maxHeightPixels", "100:32:8"),
        ("windowingFunction", "mean+whiskers"),
        ("alwaysZero", "on"),
        ("html", f"{name}.html"),
    ]
    for number, track in enumerate(tracks):
        low, high = scales[track.label]
        yield [
            ("track", _unique(f"{name}_{_word(track.name)}_{_word(track.sample)}", used)),
            ("parent", f"{name} {'on' if number < MOST_SHOWN else 'off'}"),
            ("shortLabel", short_label(track)),
            ("longLabel", ascii_label(f"{track.name} of {track.sample}, {label[0].lower()}{label[1:]}", LONGEST_LONG)),
            ("type", "bigWig {:.6g} {:.6g}".format(*_extremes(track))),
            ("bigDataUrl", quote(track.path.name)),
            ("viewLimits", f"{low:g}:{high:g}"),
            *_colour_settings(track, colours),
            ("subGroups", f"mark={marks[track.name]} sample={samples[track.sample]}"),
            ("priority", str(number + 1)),
        ]


def _colour_settings(track: ResultTrack, colours: Mapping[str, str]) -> Stanza:
    if track.is_difference:
        return [("color", rgb(UP)), ("altColor", rgb(DOWN))]
    return [("color", rgb(colours[track.name]))]


def rgb(colour: str) -> str:
    """Return `#rrggbb` as UCSC and IGV write it."""
    return ",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))


def _extremes(track: ResultTrack) -> tuple[float, float]:
    """Return the minimum and maximum of a file, which UCSC wants to know beforehand."""
    file = SignalTrack(track.path)
    low, high = file.extremes()
    file.close()
    return (min(low, 0.0), high)


def tags(names: Iterable[str]) -> dict[str, str]:
    """Return a tag of letters, digits and underscores for each name, all different, in an order that sorts."""
    every = list(dict.fromkeys(names))
    digits = len(str(len(every)))
    # UCSC sorts by tag, so the number keeps the order of the model, and makes equal words differ.
    return {name: f"s{number:0{digits}}_{_word(name)}" for number, name in enumerate(every, 1)}


def _members(found: Mapping[str, str]) -> str:
    """Return tags with their titles, in which an underscore stands for a space."""
    return " ".join(f"{tag}={re.sub(r'[^!-<>-~]+', '_', name)}" for name, tag in found.items())


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "x"


def _unique(name: str, used: set[str]) -> str:
    """Return a name that no other track has in either case, at most as long as UCSC allows."""
    shortened = name[: LONGEST_NAME - 6]
    number, found = 1, shortened
    while found.casefold() in used:
        number += 1
        found = f"{shortened}_{number}"
    used.add(found.casefold())
    return found


def short_label(track: ResultTrack) -> str:
    """Return mark and sample, with the middle of the sample's name left out if there is no room."""
    mark = ascii_label(track.name, LONGEST_SHORT - SHORTEST_RUN - 1)
    room = LONGEST_SHORT - len(mark) - 1
    sample = ascii_label(track.sample, len(track.sample))
    if len(sample) > room:
        half = (room - 2) // 2
        sample = f"{sample[: room - 2 - half]}..{sample[len(sample) - half :]}"
    return f"{mark} {sample}"


def ascii_label(text: str, most: int) -> str:
    """Return a label of one line of ASCII, at most so long."""
    return re.sub(r"[^ -~]+", "_", text)[:most].strip()


def _written(stanza: Stanza) -> str:
    return "".join(f"{setting} {value}\n" for setting, value in stanza)
