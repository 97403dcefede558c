"""The run of `epigept-batch setup`: fetches what runs require, checks it, and installs it where runs look for it."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import epigept_batch
from epigept_batch.commands.setup.plan import UP_TO_DATE
from epigept_batch.errors import InputError, ModelError, OutputError
from epigept_batch.files import in_words, is_still_linked, make_folder, publish, replacing
from epigept_batch.home import VARIABLE, default_fasta, home
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.motifs.motif_set import read_factor_pairs, read_motifs
from epigept_batch.sequence.genome import Genome
from epigept_batch.setup.assembly import check_assembly, is_packed, read_contigs, unpack
from epigept_batch.setup.catalogue import CHECKPOINT, GENOME, MODEL, MOTIF_FACTORS, MOTIFS
from epigept_batch.setup.download import download
from epigept_batch.setup.exporter import check_exporter, convert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from epigept_batch.commands.setup.plan import SetupPlan, Target
    from epigept_batch.progress import Progress
    from epigept_batch.setup.catalogue import Asset
    from epigept_batch.setup.record import Record


def check_setup(plan: SetupPlan) -> dict[str, str]:
    """Check, before anything is fetched or written, that the plan can be carried out.

    There must be enough disk space and, if a checkpoint must be converted, the exporter. Local files are checked as far
    as that is possible without the files that are still to be fetched.

    Returns:
        Versions of the libraries that convert.

    Raises:
        OutputError: There is too little disk space.
        InputError: A local file cannot be used.
        ModelError: A local model file cannot be used.
        DeviceError: The exporter lacks a library.
    """
    if plan.needed > plan.free:
        raise OutputError(
            f"requires about {in_words(plan.needed)}, but only {in_words(plan.free)} are free; free some space, or set "
            f"{VARIABLE} to another folder",
            plan.record.folder,
        )
    for target in plan.targets:
        for asset in target.assets:
            if target.due and not asset.is_remote:
                _check_local(asset, target, plan.catalogue.contigs)
    return check_exporter() if plan.converts else {}


def _check_local(asset: Asset, target: Target, contigs: Mapping[str, int]) -> None:
    """Check what can be checked of a single file; a checkpoint and a reference are checked during conversion."""
    if asset.name == GENOME:
        if is_packed(asset.path) and target.path.exists() and target.path.samefile(asset.path):
            raise InputError(
                "compressed, but its name is that of the plain genome; move it elsewhere and pass it with --genome",
                asset.path,
            )
        check_assembly(read_contigs(asset.path), contigs, asset.location)
    elif asset.name == MODEL:
        read_spec(asset.path)
    elif asset.name == MOTIFS:
        read_motifs(asset.path)
    elif asset.name == MOTIF_FACTORS:
        read_factor_pairs(asset.path)


def run_setup(plan: SetupPlan, versions: Mapping[str, str], progress: Progress) -> dict[str, Any]:
    """Carry out the plan. Steps that were finished before an error are kept, and the next setup continues from them.

    Args:
        plan: From `plan_setup`.
        versions: From `check_setup`.
        progress: Receives the bytes of downloads and of unpacking.

    Returns:
        The record of what is installed.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    make_folder(home(), option=VARIABLE)
    setup = _Setup(plan, progress)
    with _alone(plan.record.folder):
        for target in plan.in_order:
            if not target.due:
                progress.say(f"{target.path}: {UP_TO_DATE}")
                continue
            for asset in target.assets:
                setup.fetch(asset)
            if target.path == default_fasta():
                setup.install_genome(target)
            elif target.precision is None:
                setup.install_model(target)
            else:
                setup.convert(target, versions)
    return plan.record.document()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second setup out of the home folder; remove empty folders and the lock file afterwards.

    Raises:
        OutputError: Another setup is running there.
    """
    lock = folder / "setup.lock"
    with ExitStack() as stack:
        while not _locked(stack.enter_context(lock.open("w")), lock):
            stack.close()
        try:
            yield
        finally:
            _remove_empty(folder / "setup")
            lock.unlink(missing_ok=True)


def _locked(stream: TextIO, lock: Path) -> bool:
    """Lock an open file. False if another setup deleted the file meanwhile, so that the lock keeps nobody out.

    Raises:
        OutputError: Another setup holds the lock.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError("another setup is running in this folder; wait for it to finish", lock.parent) from error
    except OSError:
        return True  # a file system without locks
    return is_still_linked(stream.fileno(), lock)


def _remove_empty(folder: Path) -> None:
    """Remove the folder of fetched files if it is empty, or else its empty subfolders."""
    for place in (*folder.glob("*"), folder):
        with suppress(OSError):
            place.rmdir()  # removes an empty folder only


@dataclass(frozen=True)
class _Setup:
    """The steps that carry out a plan."""

    plan: SetupPlan
    progress: Progress

    @property
    def record(self) -> Record:
        return self.plan.record

    def fetch(self, asset: Asset) -> None:
        """Fetch an asset to its place in the record; a local one is only recorded."""
        if self.record.has(asset) and not (self.plan.force and asset.is_remote):
            return
        path = self.record.file_of(asset)
        if not asset.is_remote:
            self.record.add(asset, file_sha256(path))
            return
        _make_room(path.parent)
        sha256 = download(asset, path, self.progress)
        for other in set(path.parent.iterdir()) - {path}:
            other.unlink()  # fetched from elsewhere before, and no longer required
        self.record.add(asset, sha256)
        self.progress.finish(f"{asset.name.replace('_', ' ')}: {in_words(path.stat().st_size)}, sha256 {sha256}")

    def convert(self, target: Target, versions: Mapping[str, str]) -> None:
        """Convert the checkpoint and its companions to the model file, and install it."""
        files = {asset.name: self.record.file_of(asset) for asset in target.assets}
        self.progress.say(f"{files[CHECKPOINT]}: converting, which takes about a minute")
        with _work(target.path) as made:
            try:
                convert(files, f"{target.precision}", made, self.progress.say)
            except ModelError as error:
                if _is_of_local_file(error, target, files):
                    raise
                raise ModelError(f"{error} (--force fetches everything again)") from error
            publish(made, target.path)
        self._install(target, versions=dict(versions), precision=target.precision, sha256=file_sha256(target.path))

    def install_model(self, target: Target) -> None:
        """Install a ready model file."""
        (asset,) = target.assets
        source = self.record.file_of(asset)
        with _kept_only_if_good(asset, source):
            spec = read_spec(source)
        if not (target.path.exists() and target.path.samefile(source)):
            with replacing(target.path) as temporary:
                try:
                    shutil.copyfile(source, temporary)
                except OSError as error:
                    raise OutputError(f"cannot be written: {error.strerror}", target.path) from error
        self._install(target, precision=spec.precision, sha256=file_sha256(target.path))
        if asset.is_remote:
            source.unlink()

    def install_genome(self, target: Target) -> None:
        """Install the genome as a plain, indexed FASTA, and check that its assembly is the required one."""
        (asset,) = target.assets
        source = self.record.file_of(asset)
        itself = target.path.exists() and target.path.samefile(source)
        with _kept_only_if_good(asset, source), _work(target.path) as made:
            how = self._make_genome(asset, source, made)
            with Genome(made) as genome:
                contigs = genome.contigs
            check_assembly(contigs, self.plan.catalogue.contigs, asset.location)
            index, installed_index = (path.with_name(f"{path.name}.fai") for path in (made, target.path))
            installed_index.unlink(missing_ok=True)
            if not itself:
                publish(made, target.path)
            index.replace(installed_index)
        self._install(target, how=how, contigs=len(contigs))
        if asset.is_remote:
            source.unlink(missing_ok=True)

    def _make_genome(self, asset: Asset, source: Path, made: Path) -> str:
        """Make the plain genome, and return how it was made, in a word."""
        if is_packed(source):
            self.progress.say(f"{source}: unpacking")
            unpack(source, made, self.progress)
            self.progress.finish(f"{source}: unpacked; indexing, which takes a minute for a human genome")
            return "unpacked"
        if asset.is_remote:
            source.replace(made)
            return "as fetched"
        made.symlink_to(source.resolve())
        return "linked"

    def _install(self, target: Target, **how: object) -> None:
        self.record.install(target.path, target.assets, **how, made_by=f"epigept-batch {epigept_batch.__version__}")
        self.progress.say(f"{target.path}: installed")


def _is_of_local_file(error: ModelError, target: Target, files: Mapping[str, Path]) -> bool:
    """Whether the error is in a local file, so that fetching the others again does not help."""
    local = [files[asset.name] for asset in target.assets if not asset.is_remote]
    return len(local) == len(target.assets) or str(error).startswith(tuple(f"{path}:" for path in local))


@contextmanager
def _kept_only_if_good(asset: Asset, source: Path) -> Iterator[None]:
    """Remove a fetched file if the body cannot use it, so that the next setup fetches it again."""
    try:
        yield
    except (InputError, ModelError):
        if asset.is_remote:
            source.unlink(missing_ok=True)
        raise


def _make_room(folder: Path) -> None:
    """Create a folder for fetched files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be created: {error.strerror}; set {VARIABLE} to another folder", folder) from error


@contextmanager
def _work(path: Path) -> Iterator[Path]:
    """Yield a temporary path, in a folder of its own, for a file that becomes `path`; the folder is always removed."""
    folder = path.parent / "setup" / "work"
    shutil.rmtree(folder, ignore_errors=True)
    _make_room(folder)
    try:
        yield folder / path.name
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
