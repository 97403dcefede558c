"""Plan of `epigept-batch evaluate --contacts`: which predicted maps are compared with what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from epigept_batch.contacts.contact_file import is_contact_file, split_uri
from epigept_batch.contacts.loops import is_pair_table
from epigept_batch.errors import InputError
from epigept_batch.evaluation.contacts.scores import MEASURED_DNASE, PREDICTED_DNASE
from epigept_batch.provenance.run_record import read_records
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from epigept_batch.commands.evaluate.request import EvaluateContactsRequest
    from epigept_batch.progress import Progress

ENDING = ".contacts.cool"
MAP, LOOPS, PAIRS = "map", "loops", "pairs"
"""Kinds of measured contacts."""


@dataclass(frozen=True)
class Pair:
    """A predicted map and what it is compared with.

    Attributes:
        sample: Name.
        predicted: A .cool, with its resolution if the user named it.
        contacts: A measured map, loops or tested pairs.
        signals: Paths of accessibility, by the baseline that uses it.
        space: Space of the predicted accessibility.
        expected: SAMPLE.expected.tsv; None if it is not there.
    """

    sample: str
    predicted: str
    contacts: str
    signals: Mapping[str, Path]
    space: str
    expected: Path | None


def find_pairs(request: EvaluateContactsRequest, progress: Progress) -> Iterator[Pair]:
    """Yield every predicted map that has measured contacts, and report those without.

    Raises:
        InputError: There are no predicted maps or no measured contacts, or several maps share one file.
    """
    predicted = _predicted(request.predicted)
    for option, pattern in (
        ("contacts", request.contacts),
        ("accessibility", request.accessibility),
        ("predicted-accessibility", request.predicted_accessibility),
    ):
        if len(predicted) > 1 and pattern is not None and not TrackFiles(pattern).names("sample"):
            raise InputError(
                f"--{option} {pattern}: one file for {len(predicted)} predicted maps; put {{sample}} into the path in "
                f"place of the names, or pass a single map as --predicted"
            )
    found = {sample: TrackFiles(request.contacts).text(sample=sample) for sample in predicted}
    has = [sample for sample, uri in found.items() if split_uri(uri).exists()]
    lacking = [found[sample] for sample in found if sample not in has]
    if not has:
        raise InputError("measured contacts not found", split_uri(lacking[0]))
    if lacking:
        progress.say(f"skipped maps whose measured contacts do not exist: {', '.join(lacking)}")
    for sample in has:
        yield _pair(request, sample, predicted[sample], found[sample])


def _predicted(path: Path) -> dict[str, str]:
    """Return the predicted maps by sample."""
    if not path.is_dir():
        if not split_uri(str(path)).is_file():
            raise InputError(
                "folder or .cool not found; pass the output of epigept-batch contacts as --predicted", path
            )
        name = split_uri(str(path)).name
        return {name.removesuffix(".cool").removesuffix(".mcool").removesuffix(".contacts"): str(path)}
    found = {file.name.removesuffix(ENDING): str(file) for file in sorted(path.glob(f"*{ENDING}"))}
    if not found:
        raise InputError(
            f"contains no SAMPLE{ENDING} of epigept-batch contacts; pass its output folder, or a .cool", path
        )
    return found


def _pair(request: EvaluateContactsRequest, sample: str, predicted: str, contacts: str) -> Pair:
    folder = split_uri(predicted).parent
    beside, expected = folder / f"{sample}.DNase.bw", folder / f"{sample}.expected.tsv"
    signals = {}
    if request.predicted_accessibility is not None:
        signals[PREDICTED_DNASE] = TrackFiles(request.predicted_accessibility).path(sample=sample)
    elif beside.exists():
        signals[PREDICTED_DNASE] = beside
    if request.accessibility is not None:
        signals[MEASURED_DNASE] = TrackFiles(request.accessibility).path(sample=sample)
    record = read_records(folder).get(sample, {}) if signals.get(PREDICTED_DNASE) == beside else {}
    space = request.predicted_space or record.get("space", "log1p")
    return Pair(sample, predicted, contacts, signals, space, expected if expected.exists() else None)


def kind_of(uri: str) -> str:
    """Tell a measured map from loops and tested pairs by the content of the file.

    Raises:
        InputError: The file cannot be read.
    """
    if is_contact_file(split_uri(uri)):
        return MAP
    return PAIRS if is_pair_table(Path(uri)) else LOOPS
