"""Find the file of a track of a sample or cell by a path with {sample}, {cell} and {track}."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

PLACES = ("sample", "cell", "track")


@dataclass(frozen=True)
class TrackFiles:
    """Files whose paths contain the names of sample, cell and track.

    Attributes:
        pattern: A path with placeholders {sample}, {cell} and {track}; without placeholders, a single file.
    """

    pattern: str

    def names(self, place: str) -> bool:
        """Whether the pattern has {place}."""
        return f"{{{place}}}" in self.pattern

    def lacking_places(self, tracks: Collection[tuple[str, str]]) -> str:
        """Return which of {sample} and {track} the pattern needs so that each of these tracks has a file of its own.

        Args:
            tracks: Sample and name of each track.

        Returns:
            The placeholders in words, such as `{sample} and {track}`; empty if none is lacking.
        """
        samples, names = ({key[place] for key in tracks} for place in (0, 1))
        several = {"sample": len(samples) > 1, "track": len(names) > 1}
        return " and ".join(f"{{{name}}}" for name, needed in several.items() if needed and not self.names(name))

    def path(self, **names: str) -> Path:
        """Return the path with these names filled in; other placeholders stay."""
        return Path(self.text(**names))

    def text(self, **names: str) -> str:
        """Return the path as a text, which may name a part of the file, as `FILE.mcool::/resolutions/5000` does."""
        text = self.pattern
        for place, name in names.items():
            text = text.replace(f"{{{place}}}", name)
        return text

    def cells(self, track: str) -> dict[str, Path]:
        """Return the existing files of a track, by cell, or by file name if the pattern has no {cell}."""
        path = str(self.path(track=track))
        if not self.names("cell"):
            return {Path(path).stem: Path(path)} if Path(path).is_file() else {}
        return {found["cell"]: file for found, file in _fitting(path, ("cell",))}

    def fits(self, path: Path) -> bool:
        """Whether a file, which need not exist, has a path that the pattern names."""
        folder = "".join(self.pattern.partition("{")[0].rpartition("/")[:2])
        pattern = Path(folder).resolve() / self.pattern.removeprefix(folder)
        return re.fullmatch(_expression(str(pattern), PLACES), str(path.parent.resolve() / path.name)) is not None

    def every_cell(self) -> dict[str, dict[str, Path]]:
        """Return the existing files by track and cell, both in alphabetical order; the pattern has {cell} and {track}.

        Where a file name can be split in several ways, the cell gets the longer part.
        """
        tracks: dict[str, dict[str, Path]] = {}
        for found, file in _fitting(str(Path(self.pattern)), ("cell", "track")):
            tracks.setdefault(found["track"], {})[found["cell"]] = file
        return {track: tracks[track] for track in sorted(tracks)}


def _fitting(pattern: str, places: Sequence[str]) -> Iterator[tuple[Mapping[str, str], Path]]:
    """Yield the existing files that a pattern names, in alphabetical order, with the names that its places stand for.

    A place that occurs twice stands for the same name.
    """
    parts = _parts(pattern, places)
    wanted = _expression(pattern, places)
    files = glob.glob("*".join(glob.escape(part) for part in parts[::2]))  # noqa: PTH207 - absolute, too
    for file in sorted(files):
        if match := re.fullmatch(wanted, file):
            yield match.groupdict(), Path(file)


def _parts(pattern: str, places: Sequence[str]) -> list[str]:
    """Return the texts of a pattern, and between them its places."""
    return re.split("(" + "|".join(f"{{{place}}}" for place in places) + ")", pattern)


def _expression(pattern: str, places: Sequence[str]) -> str:
    """Return a pattern as a regular expression, with a group for each place."""
    wanted, seen = "", set()
    for part in _parts(pattern, places):
        place = part[1:-1]
        if part != f"{{{place}}}" or place not in places:
            wanted += re.escape(part)
        elif place in seen:
            wanted += f"(?P={place})"
        else:
            seen.add(place)
            wanted += f"(?P<{place}>[^/]+)"
    return wanted
