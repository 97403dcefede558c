"""Plan of `epigept-batch setup`: which files are required, which exist, and how much disk space the rest takes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError, OutputError
from epigept_batch.files import in_words
from epigept_batch.home import default_fasta, default_model, home
from epigept_batch.setup.assembly import is_packed
from epigept_batch.setup.catalogue import (
    CHECKPOINT,
    FOR_CONVERSION,
    GENOME,
    MODEL,
    SCHEME,
    Asset,
    read_catalogue,
)
from epigept_batch.setup.download import digests, waiting_bytes
from epigept_batch.setup.record import Record, is_as_stamped, is_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from epigept_batch.setup.catalogue import Catalogue
    from epigept_batch.setup.record import Entry

UP_TO_DATE, THERE, GIVEN = "up to date", "present", "given by you"
MODEL_SHARE = 1.1
"""Approximate ratio of the size of a model file in the largest precision to that of its checkpoint."""


@dataclass(frozen=True)
class SetupRequest:
    """What a user asks for.

    Attributes:
        catalogue: Name or path of the catalogue.
        given: Paths or addresses of assets, by name, that replace those of the catalogue.
        precision: Precision of the model file.
        force: Repeat steps that are up to date, forget files provided earlier, and replace files not made by setup.
    """

    catalogue: str
    given: Mapping[str, str] = field(default_factory=dict)
    precision: str = "fp16"
    force: bool = False


@dataclass(frozen=True)
class Target:
    """One of the two files that runs look for: the model file or the genome.

    Attributes:
        path: Where the file is installed.
        assets: What it is made from.
        precision: Precision of a model that must be converted; else None.
        state: What must be done, in words.
        due: Whether anything must be done.
    """

    path: Path
    assets: tuple[Asset, ...]
    precision: str | None
    state: str
    due: bool


@dataclass(frozen=True)
class SetupPlan:
    """What setup will do.

    Attributes:
        catalogue: The catalogue in use.
        record: Record of the files that exist.
        targets: The model file and the genome.
        force: Whether to fetch files again that exist.
        needed: Approximate bytes of disk space that setup requires.
        free: Bytes that are free.
    """

    catalogue: Catalogue
    record: Record
    targets: tuple[Target, Target]
    force: bool
    needed: int
    free: int

    @property
    def in_order(self) -> tuple[Target, ...]:
        """The targets, those without download first and then those without conversion, so that errors show early."""
        return tuple(sorted(self.targets, key=_effort))

    @property
    def converts(self) -> bool:
        """Whether a checkpoint must be converted."""
        return any(target.due and target.precision is not None for target in self.targets)

    @property
    def disk(self) -> str:
        """Required and free disk space, in words."""
        return f"about {in_words(self.needed)} needed in {self.record.folder}, {in_words(self.free)} free"

    def rows(self) -> Iterator[tuple[Asset, str, str]]:
        """Yield every asset with the size of its download and its state, in words."""
        for target in self.targets:
            for asset in target.assets:
                size = in_words(asset.bytes) if asset.bytes and asset.is_remote else ""
                yield asset, size, _asset_state(self.record, asset, due=target.due, force=self.force)


def _effort(target: Target) -> int:
    """Return a rank by the slowest step of a target: 2 for a download, 1 for a conversion, 0 for neither."""
    if any(asset.is_remote for asset in target.assets):
        return 2
    return 0 if target.precision is None else 1


def plan_setup(request: SetupRequest) -> SetupPlan:
    """Find out what is required, what exists and what must be done; nothing is written.

    Raises:
        EpiGePTError: A provided file does not fit, or a file that setup did not make would be replaced.
    """
    catalogue = read_catalogue(request.catalogue)
    record = Record.read(home())
    given_now = request.given
    request = replace(request, given={**_given_before(request, record), **given_now})
    genome = (_wanted(GENOME, request, catalogue),)
    converted = _converts(request, catalogue)
    model = tuple(_wanted(name, request, catalogue) for name in (FOR_CONVERSION if converted else (MODEL,)))
    precision = request.precision if converted else None
    targets = (
        _target(record, default_model(), model, precision=precision, force=request.force),
        _target(record, default_fasta(), genome, force=request.force),
    )
    for target in targets:
        for asset in target.assets:
            if target.due or asset.name in given_now:
                _check_local(asset)
    needed = sum(_bytes_needed(record, target, catalogue, force=request.force) for target in targets if target.due)
    folder = next(path for path in (home(), *home().absolute().parents) if path.exists())
    return SetupPlan(catalogue, record, targets, request.force, needed, shutil.disk_usage(folder).free)


def _given_before(request: SetupRequest, record: Record) -> dict[str, str]:
    """Return the locations that the user chose for the installed files; each holds until the user chooses another."""
    if request.force:
        return {}
    entries = [pair for entry in record.installed.values() for pair in entry.get("made_from", {}).items()]
    otherwise = FOR_CONVERSION if MODEL in request.given else (MODEL,) if {*FOR_CONVERSION} & {*request.given} else ()
    return {name: entry["location"] for name, entry in entries if entry.get("given") and name not in otherwise}


def _converts(request: SetupRequest, catalogue: Catalogue) -> bool:
    """Whether the model must be converted from a checkpoint, rather than being provided or published ready-made.

    Raises:
        InputError: The user asks for both.
    """
    given = [name for name in FOR_CONVERSION if name in request.given]
    if MODEL in request.given and given:
        option = f"--{given[0].replace('_', '-')}"
        raise InputError(
            f"--model provides a ready model file, but {option} is used to make one; leave one of them out"
        )
    return MODEL not in request.given and (bool(given) or MODEL not in catalogue.assets)


def _wanted(name: str, request: SetupRequest, catalogue: Catalogue) -> Asset:
    """Return an asset as the user provides it, or else as the catalogue does.

    Raises:
        InputError: Neither provides it.
    """
    asset = catalogue.assets.get(name)
    if name in request.given and (asset is None or asset.location != request.given[name]):
        return (asset or Asset(name, "")).given_as(request.given[name])
    if asset is None:
        option = Asset(name, "").option
        raise InputError(f"has no {name.replace('_', ' ')}; provide it with {option}", catalogue.name)
    return asset


def _check_local(asset: Asset) -> None:
    """Check that a local file exists, and that it matches its pinned checksums.

    Raises:
        InputError: It does not.
    """
    if asset.is_remote:
        return
    what = asset.name.replace("_", " ")
    if SCHEME in asset.location:
        raise InputError(f"not a download address; use http://, https:// or a file with {asset.option}", asset.location)
    try:
        with asset.path.open("rb"):
            pass
        sha256, md5 = digests(asset.path) if asset.sha256 or asset.md5 else (None, None)
    except OSError as error:
        raise InputError(
            f"{what} cannot be read: {error.strerror}; provide another file with {asset.option}", asset.path
        ) from error
    for kind, pinned, found in (("sha256", asset.sha256, sha256), ("md5", asset.md5, md5)):
        if pinned is not None and pinned != found:
            raise InputError(
                f"not the {what} file that the network was trained with: {kind} {found} instead of {pinned}; "
                f"leave out {asset.option} to fetch the right file",
                asset.path,
            )


def _target(
    record: Record, path: Path, assets: Sequence[Asset], *, precision: str | None = None, force: bool
) -> Target:
    """Decide what must be done about a file that runs look for.

    Raises:
        OutputError: A file that setup did not make has its name.
    """
    verb = "install" if precision is None else f"convert to {precision}"
    entry = record.installed.get(path.name, {})
    made_from = entry.get("made_from", {})
    ours = is_as_stamped(path, entry)
    same = made_from.keys() == {asset.name for asset in assets} and all(
        is_of(asset, made_from[asset.name]) for asset in assets
    )
    if ours and same and not force and precision in {None, entry.get("precision")}:
        return Target(path, tuple(assets), precision, UP_TO_DATE, due=False)
    if path.exists() and not (ours or force) and not _is_itself(path, assets):
        raise OutputError(
            "not made by setup, or changed since, so it is not replaced; keep it with "
            f"{_keeping(path)}, or replace it with --force",
            path,
        )
    changes = [*_changes(made_from, assets)] if ours else []
    if ours and same and precision not in {None, entry.get("precision")}:
        changes.append(f"previously {entry.get('precision')}")
    state = f"{verb} again ({', '.join(changes) or 'because of --force'})" if ours else verb
    return Target(path, tuple(assets), precision, state, due=True)


def _keeping(path: Path) -> str:
    return f"{'--genome' if path == default_fasta() else '--model'} {path}"


def _is_itself(path: Path, assets: Sequence[Asset]) -> bool:
    """Whether the user provides the same file that is installed."""
    return len(assets) == 1 and not assets[0].is_remote and assets[0].path.exists() and path.samefile(assets[0].path)


def _changes(made_from: Mapping[str, Entry], assets: Sequence[Asset]) -> Iterator[str]:
    """Yield the inputs of a file that have changed, in words."""
    for asset in assets:
        entry = made_from.get(asset.name, {})
        if is_of(asset, entry):
            continue
        what, location = asset.name.replace("_", " "), entry.get("location", "elsewhere")
        yield f"{what} changed since" if location == asset.location else f"{what} previously from {location}"


def _asset_state(record: Record, asset: Asset, *, due: bool, force: bool) -> str:
    if asset.given:
        doing = _asset_state(record, replace(asset, given=False), due=due, force=force)
        return GIVEN if doing == THERE else f"{doing}, {GIVEN}"
    if not due:
        return UP_TO_DATE
    if not asset.is_remote:
        return THERE
    if record.has(asset) and not force:
        return THERE
    waiting = waiting_bytes(record.file_of(asset))
    return f"to fetch, {in_words(waiting)} already fetched" if waiting else "to fetch"


def _bytes_needed(record: Record, target: Target, catalogue: Catalogue, *, force: bool) -> int:
    """Return the approximate disk space that one file takes until it is installed."""
    fetched = 0
    for asset in target.assets:
        if asset.is_remote and (force or not record.has(asset)):
            fetched += max(0, (asset.bytes or 0) - waiting_bytes(record.file_of(asset)))
    (main,) = (asset for asset in target.assets if asset.name in {GENOME, MODEL, CHECKPOINT})
    size = (main.bytes or 0) if main.is_remote else main.path.stat().st_size
    if main.name == CHECKPOINT:
        return fetched + int(MODEL_SHARE * size)
    if main.name == MODEL:
        return fetched + size
    if not main.is_remote and not is_packed(main.path):
        return fetched
    published = catalogue.assets[GENOME]
    return fetched + (main.unpacked_bytes or published.unpacked_bytes or published.bytes or 0)
