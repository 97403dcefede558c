"""The samples, tracks and contact maps of an output folder, as their records describe them."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError, reason
from epigept_batch.names import some
from epigept_batch.provenance.run_record import DIFFERENCE
from epigept_batch.results.record_form import check_record
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from epigept_batch.tiling import Contig

RUN, CONTACTS = ".run.json", ".contacts.json"
"""Endings of the names of records of tracks and of contact maps."""
OUTPUTS = {RUN: ".bw", CONTACTS: ".cool"}
"""Endings of the outputs beside each record."""
JOURNAL, CONTACT_JOURNAL = ".journal", ".contacts.journal"


@dataclass(frozen=True)
class ResultTrack:
    """A bigWig of a sample.

    Attributes:
        sample: Name of the sample.
        name: Name of the track in the model, such as `DNase`.
        path: The file.
        is_difference: Whether it holds a perturbed copy minus its sample.
        statistics: Statistics of its bins, as in `run.json`; None in records of earlier versions.
    """

    sample: str
    name: str
    path: Path
    is_difference: bool
    statistics: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """Its name, with the ending of a difference."""
        return f"{self.name}{DIFFERENCE}" if self.is_difference else self.name


@dataclass(frozen=True)
class ContactMap:
    """The contact files of a sample.

    Attributes:
        sample: Name of the sample.
        record: The content of `SAMPLE.contacts.json`.
        cool: The map, a .cool.
        interact: The strongest pairs, in UCSC's interact format.
        bedpe: The same pairs, as BEDPE.
    """

    sample: str
    record: Mapping[str, Any]
    cool: Path
    interact: Path
    bedpe: Path


@dataclass(frozen=True)
class SampleResults:
    """What a folder has of a sample.

    Attributes:
        name: Name of the sample.
        record: The content of `SAMPLE.run.json`; empty if the folder has only contacts of it.
        tracks: Its bigWigs, in the order of the model; differences are last.
        contacts: Its contact map; None if there is none.
    """

    name: str
    record: Mapping[str, Any]
    tracks: tuple[ResultTrack, ...]
    contacts: ContactMap | None

    @property
    def any_record(self) -> Mapping[str, Any]:
        """The record of its tracks, or else of its contacts."""
        return self.record or (self.contacts.record if self.contacts is not None else {})


@dataclass(frozen=True)
class RunFolder:
    """Finished outputs that belong to one genome.

    Attributes:
        path: The folder.
        samples: The samples, by name in alphabetical order.
        contigs: All contigs of the genome, in the order of its FASTA; empty if the folder has no tracks.
        space: What the tracks hold, `log1p` or `linear`.
        unfinished: Names of samples whose run was interrupted, and which are therefore not in `samples`.
    """

    path: Path
    samples: tuple[SampleResults, ...]
    contigs: tuple[Contig, ...]
    space: str
    unfinished: tuple[str, ...]

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of all tracks that any sample has, without differences, in the order of the model."""
        by_number = sorted(self.samples, key=lambda sample: -len(sample.tracks))
        every = (track for sample in by_number for track in sample.tracks)
        return tuple(dict.fromkeys(track.name for track in every if not track.is_difference))

    @property
    def assembly(self) -> str | None:
        """The recognised assembly, such as `hg38`; None if the contigs match no known one."""
        named = (sample.any_record.get("genome") or {} for sample in self.samples)
        return next((one["assembly"] for one in named if one.get("assembly")), None)

    @property
    def fasta(self) -> Path | None:
        """The genome of the run, wherever it was then; it may have moved or changed."""
        path = next((sample.any_record.get("paths", {}).get("fasta") for sample in self.samples), None)
        return None if path is None else Path(path)

    @property
    def regions(self) -> tuple[str, ...]:
        """The predicted regions, 1-based and inclusive, of the first sample."""
        return tuple(self.samples[0].any_record.get("regions", ()))

    def all_tracks(self) -> Iterator[ResultTrack]:
        """Yield the tracks of all samples."""
        for sample in self.samples:
            yield from sample.tracks

    def sample(self, name: str) -> SampleResults:
        """Return a sample.

        Raises:
            InputError: The folder does not have it.
        """
        for sample in self.samples:
            if sample.name == name:
                return sample
        raise InputError(f"no finished sample '{name}'; it has {some(one.name for one in self.samples)}", self.path)


def read_run_folder(path: Path, samples: Sequence[str] = ()) -> RunFolder:
    """Read which outputs a folder has, and check that they are complete and belong together.

    Args:
        path: An output folder of `genome` or `contacts`.
        samples: Names of the samples wanted, in the order wanted; empty for all.

    Raises:
        InputError: It contains no finished sample, or not those; a record is damaged; an output is missing or has
            another size than when it was made; or its samples are of several genomes, or partly ln(1 + signal) and
            partly signal.
    """
    if not path.is_dir():
        raise InputError("folder not found; pass an output folder of epigept-batch genome", path)
    records, maps = _records(path, RUN), _records(path, CONTACTS)
    names = sorted({*records, *maps})
    unfinished = tuple(sorted(_unfinished(path) - set(names)))
    if not names:
        raise InputError(
            f"no finished sample; the run of {some(unfinished)} was interrupted, so rerun it"
            if unfinished
            else "contains no run.json of epigept-batch genome; pass its output folder",
            path,
        )
    found = [_sample(path, name, records.get(name), maps.get(name)) for name in names]
    folder = RunFolder(path, tuple(found), (), "log1p", unfinished)
    if samples:
        folder = RunFolder(path, tuple(map(folder.sample, dict.fromkeys(samples))), (), "log1p", unfinished)
    _check_files(folder)
    _check_genome(folder)
    return RunFolder(path, folder.samples, _contigs(folder), _space(folder), unfinished)


def _sample(
    path: Path, name: str, record: Mapping[str, Any] | None, contacts: Mapping[str, Any] | None
) -> SampleResults:
    tracks = () if record is None else tuple(_tracks(path, name, record))
    return SampleResults(name, record or {}, tracks, None if contacts is None else _contact_map(path, name, contacts))


def _tracks(path: Path, sample: str, record: Mapping[str, Any]) -> Iterator[ResultTrack]:
    """Yield the tracks of a sample, differences last."""
    statistics = record.get("statistics") or {}
    for label in sorted(_labels(sample, record), key=lambda one: _is_difference(one, record)):
        difference = _is_difference(label, record)
        name = label.removesuffix(DIFFERENCE) if difference else label
        yield ResultTrack(sample, name, path / f"{sample}.{label}.bw", difference, statistics.get(label))


def _labels(sample: str, record: Mapping[str, Any]) -> list[str]:
    return [name.removeprefix(f"{sample}.").removesuffix(".bw") for name in record["files"]]


def _is_difference(label: str, record: Mapping[str, Any]) -> bool:
    """Whether a track is a difference. Only copies have them; a network may have a track with such a name."""
    return "perturbation" in record and label.endswith(DIFFERENCE)


def _records(path: Path, ending: str) -> dict[str, dict[str, Any]]:
    """Return the records of samples with an ending, by sample.

    Raises:
        InputError: One is damaged. No sample with files is passed over.
    """
    found = {}
    for file in sorted(path.glob(f"*{ending}")):
        name = file.name.removesuffix(ending)
        try:
            record = json.loads(file.read_text())
        except OSError as error:
            raise InputError(f"cannot be read: {reason(error)}", file) from error
        except (ValueError, RecursionError) as error:
            if not any(path.glob(f"{glob.escape(name)}.*{OUTPUTS[ending]}")):
                continue
            raise InputError("not JSON, or truncated; restore it, or rerun the command with --force", file) from error
        if isinstance(record, dict) and "sample" in record:  # others, such as that of a screen, are not of a sample
            check_record(record, name, file)
            found[name] = record
    return found


def _contact_map(path: Path, sample: str, record: Mapping[str, Any]) -> ContactMap:
    files = (path / f"{sample}.contacts.{ending}" for ending in ("cool", "interact", "bedpe"))
    return ContactMap(sample, record, *files)


def _unfinished(path: Path) -> set[str]:
    """Return the names of samples with saved progress."""
    names = [file.name.removeprefix(".") for file in path.glob(f".*{JOURNAL}")]
    return {
        name.removesuffix(CONTACT_JOURNAL) if name.endswith(CONTACT_JOURNAL) else name.removesuffix(JOURNAL)
        for name in names
    }


def _check_files(folder: RunFolder) -> None:
    """Check that each output is there, and has the size that its record gives.

    Raises:
        InputError: One is not.
    """
    for sample in folder.samples:
        records = [sample.record, *([] if sample.contacts is None else [sample.contacts.record])]
        for name, size in ((name, size) for record in records if record for name, size in record["files"].items()):
            path = folder.path / name
            if not path.is_file():
                raise InputError(f"listed in the record of {sample.name}, but not found; rerun the command", path)
            if path.stat().st_size != size:
                raise InputError(
                    f"has {path.stat().st_size:,} bytes instead of {size:,}, so it changed after the run; rerun the "
                    "command with --force",
                    path,
                )


def _check_genome(folder: RunFolder) -> None:
    """Check that all outputs were made from one genome, by the checksums of its contigs.

    Raises:
        InputError: They were not.
    """
    checksums: dict[str, tuple[str, str]] = {}
    for sample in folder.samples:
        records = [sample.record, *([] if sample.contacts is None else [sample.contacts.record])]
        for record in filter(None, records):
            for contig, checksum in (record["inputs"].get("genome") or {}).items():
                other, known = checksums.setdefault(contig, (sample.name, checksum))
                if known != checksum:
                    raise InputError(
                        f"{other} and {sample.name} were predicted on different genomes, since {contig} differs; use a "
                        "folder per genome, or name samples of one with --sample",
                        folder.path,
                    )


def _contigs(folder: RunFolder) -> tuple[Contig, ...]:
    """Return the contigs of the bigWigs.

    Raises:
        InputError: Samples have different ones.
    """
    found: dict[str, tuple[Contig, ...]] = {}
    for sample in folder.samples:
        if sample.tracks:
            track = SignalTrack(sample.tracks[0].path)
            found[sample.name] = track.contigs
            track.close()
    if len(set(found.values())) > 1:
        raise InputError(
            f"samples were predicted on genomes with different contigs: {some(found)}; use a folder per genome, or "
            "name samples of one with --sample",
            folder.path,
        )
    return next(iter(found.values()), ())


def _space(folder: RunFolder) -> str:
    """Return what the tracks hold.

    Raises:
        InputError: Those of some samples hold the signal, those of others its logarithm.
    """
    spaces: dict[str, str] = {}
    for sample in folder.samples:
        if sample.tracks:
            spaces.setdefault(str(sample.record.get("space", "log1p")), sample.name)
    if len(spaces) > 1:
        raise InputError(
            f"{spaces['log1p']} holds ln(1 + signal), but {spaces['linear']} the signal; use a folder per --space, or "
            "name samples of one with --sample",
            folder.path,
        )
    return next(iter(spaces), "log1p")
