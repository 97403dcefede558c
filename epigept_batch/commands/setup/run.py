"""The run of `epigept-batch setup`: what a run needs is fetched, checked, and installed where runs look for it."""

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
    """See, before anything is fetched or written, that it can be done.

    There must be room and, where a checkpoint is to be converted, the exporter; local files must be what they are
    given as, as far as they tell without what is yet to be fetched.

    Returns:
        Versions of what converts.

    Raises:
        OutputError: There is too little room.
        InputError: A local file is of no use.
        ModelError: A model file is.
        DeviceError: The exporter lacks a library.
    """
    if plan.needed > plan.free:
        raise OutputError(
            f"needs about {in_words(plan.needed)} where {in_words(plan.free)} are free; make room, or name another "
            f"folder by {VARIABLE}",
            plan.record.folder,
        )
    for target in plan.targets:
        for asset in target.assets:
            if target.due and not asset.is_remote:
                _check_local(asset, target, plan.catalogue.contigs)
    return check_exporter() if plan.converts else {}


def _check_local(asset: Asset, target: Target, contigs: Mapping[str, int]) -> None:
    """See what can be seen of a file by itself: of a checkpoint and a reference only conversion can tell."""
    if asset.name == GENOME:
        if is_packed(asset.path) and target.path.exists() and target.path.samefile(asset.path):
            raise InputError("is packed, and its name says plain; move it away and give it by --genome", asset.path)
        check_assembly(read_contigs(asset.path), contigs, asset.location)
    elif asset.name == MODEL:
        read_spec(asset.path)
    elif asset.name == MOTIFS:
        read_motifs(asset.path)
    elif asset.name == MOTIF_FACTORS:
        read_factor_pairs(asset.path)


def run_setup(plan: SetupPlan, versions: Mapping[str, str], progress: Progress) -> dict[str, Any]:
    """Do what is planned; what was done before an error stays, and the next set-up goes on from it.

    Args:
        plan: From `plan_setup`.
        versions: From `check_setup`.
        progress: Told of every byte.

    Returns:
        The record of what is installed.

    Raises:
        EpiGePTError: What the user can mend, in one line.
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
    """Keep a second set-up out of the home folder; empty folders and the lock's file are not left behind.

    Raises:
        OutputError: There is one at work.
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
    """Lock an open file; False where the set-up that had it took its name away meanwhile, so that it keeps nobody out.

    Raises:
        OutputError: Another set-up has it.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError("another setup is at work in this folder; wait until it is done", lock.parent) from error
    except OSError:
        return True  # a file system without locks
    return is_still_linked(stream.fileno(), lock)


def _remove_empty(folder: Path) -> None:
    """Remove the folder of what was fetched, or those in it that hold nothing any more."""
    for place in (*folder.glob("*"), folder):
        with suppress(OSError):
            place.rmdir()  # only an empty one goes


@dataclass(frozen=True)
class _Setup:
    """A plan at work."""

    plan: SetupPlan
    progress: Progress

    @property
    def record(self) -> Record:
        return self.plan.record

    def fetch(self, asset: Asset) -> None:
        """Have an asset where the record says."""
        if self.record.has(asset) and not (self.plan.force and asset.is_remote):
            return
        path = self.record.file_of(asset)
        if not asset.is_remote:
            self.record.add(asset, file_sha256(path))
            return
        _make_room(path.parent)
        sha256 = download(asset, path, self.progress)
        for other in set(path.parent.iterdir()) - {path}:
            other.unlink()  # fetched from elsewhere before, and not wanted any more
        self.record.add(asset, sha256)
        self.progress.finish(f"{asset.name.replace('_', ' ')}: {in_words(path.stat().st_size)}, sha256 {sha256}")

    def convert(self, target: Target, versions: Mapping[str, str]) -> None:
        """Make the model file of its parts."""
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
        """Have a ready model file under its name."""
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
        """Have the genome under its name, plain, indexed, and of the assembly that is wanted."""
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
        """The plain genome; how it came to be, in a word."""
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
    """Whether what is wrong is not in anything fetched, so that to fetch it again is no help."""
    local = [files[asset.name] for asset in target.assets if not asset.is_remote]
    return len(local) == len(target.assets) or str(error).startswith(tuple(f"{path}:" for path in local))


@contextmanager
def _kept_only_if_good(asset: Asset, source: Path) -> Iterator[None]:
    """Remove what was fetched if the body finds it of no use, so that another run fetches it anew."""
    try:
        yield
    except (InputError, ModelError):
        if asset.is_remote:
            source.unlink(missing_ok=True)
        raise


def _make_room(folder: Path) -> None:
    """A folder for what is fetched."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}; name another folder by {VARIABLE}", folder) from error


@contextmanager
def _work(path: Path) -> Iterator[Path]:
    """A name in a folder of its own for what becomes `path` when it is done; the folder vanishes, whatever happens."""
    folder = path.parent / "setup" / "work"
    shutil.rmtree(folder, ignore_errors=True)
    _make_room(folder)
    try:
        yield folder / path.name
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
