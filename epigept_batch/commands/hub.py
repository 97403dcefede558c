"""The run of `epigept-batch hub`."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from epigept_batch.browser.hub import HUB_FILE, HUB_NAME, HubOptions, hub_text
from epigept_batch.browser.hub_pages import hub_pages
from epigept_batch.browser.igv_session import SESSION_FILE, igv_session
from epigept_batch.errors import InputError, OutputError, reason
from epigept_batch.files import make_folder, publish, replacing, temporary_beside
from epigept_batch.provenance.run_record import read_records
from epigept_batch.results.folder import RunFolder, read_run_folder

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.progress import Progress

BROWSER = "https://genome.ucsc.edu/cgi-bin/hgTracks"
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
GENOME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
SCHEMES = frozenset({"http", "https", "ftp"})


@dataclass(frozen=True, kw_only=True)
class HubRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome`.
        url: Address at which the folder with `hub.txt` will be.
        email: Address for questions.
        out: Folder for the hub, which gets the tracks too; None for `folder` itself.
        samples: Names of samples; empty for all.
        genome_name: UCSC's name of the assembly; None for the one that was recognised.
        label: Name of the hub.
        force: Whether to replace a `hub.txt` of another program.
    """

    folder: Path
    url: str
    email: str
    out: Path | None = None
    samples: tuple[str, ...] = ()
    genome_name: str | None = None
    label: str = "EpiGePT"
    force: bool = False


@dataclass(frozen=True)
class HubLinks:
    """Where a hub is found.

    Attributes:
        hub: The `hub.txt`.
        session: The session of IGV.
        browser: Address that opens the hub in UCSC's browser.
        contacts: Address per sample that opens its strongest contacts there.
    """

    hub: Path
    session: Path
    browser: str
    contacts: tuple[str, ...]


def run_hub(request: HubRequest, progress: Progress) -> HubLinks:
    """Write the hub and the session, and return their links.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    url = _checked_url(request.url)
    if not ADDRESS.fullmatch(request.email):
        raise InputError(f"--email {request.email}: not an email address; UCSC requires one for questions about a hub")
    if not request.label.strip():
        raise InputError("--label: empty; name the hub")
    folder = read_run_folder(request.folder, request.samples)
    if not any(folder.all_tracks()):
        raise InputError("has no tracks, only contacts; pass an output folder of epigept-batch genome", folder.path)
    genome = _genome(folder, request.genome_name)
    out = request.out or folder.path
    make_folder(out)
    _check_replaceable(folder, out, force=request.force)
    _say_what_to_know(folder, out, progress)
    if not out.samefile(folder.path):
        for path in _shared(folder):
            _link(path, out / path.name)
    texts = {
        **hub_pages(folder, request.label),
        SESSION_FILE: igv_session(folder, genome),
        HUB_FILE: hub_text(folder, HubOptions(genome, request.email, request.label)),
    }
    for name, text in texts.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    contacts = (sample.contacts.interact.name for sample in folder.samples if sample.contacts is not None)
    return HubLinks(
        out / HUB_FILE,
        out / SESSION_FILE,
        f"{BROWSER}?db={genome}&hubUrl={quote(f'{url}/{HUB_FILE}', safe=':/')}",
        tuple(f"{BROWSER}?db={genome}&hgt.customText={quote(f'{url}/{quote(name)}', safe=':/')}" for name in contacts),
    )


def _checked_url(url: str) -> str:
    """Return the address of the folder, without a slash at the end.

    Raises:
        InputError: It is not an address that a server of UCSC can read.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in SCHEMES or not host or re.search(r"\s", url):
        raise InputError(f"--url {url}: not an address such as https://example.org/hub, where the folder will be")
    if parts.query or parts.fragment:
        raise InputError(f"--url {url}: must not contain '?' or '#'; use the address of the folder")
    if host == "localhost" or host.startswith("127."):
        raise InputError(f"--url {url}: UCSC cannot read from this machine; use a public address")
    return url.removesuffix(f"/{HUB_FILE}").rstrip("/")


def _genome(folder: RunFolder, named: str | None) -> str:
    """Return UCSC's name of the assembly.

    Raises:
        InputError: It is unknown, not a name, or another than the recognised one.
    """
    found = folder.assembly
    if named is None and found is None:
        raise InputError(
            "its genome matches no known assembly; pass UCSC's name of it with --genome-name, such as hg38", folder.path
        )
    if named is not None and not GENOME.fullmatch(named):
        raise InputError(f"--genome-name {named}: not a name of an assembly at UCSC, such as hg38")
    if named is not None and found is not None and named != found:
        raise InputError(f"--genome-name {named}: the tracks are of {found}; remove this option")
    return named or str(found)


def _check_replaceable(folder: RunFolder, out: Path, *, force: bool) -> None:
    """Check that neither a hub of another program nor tracks of another run would be replaced.

    Raises:
        OutputError: They would.
    """
    hub = out / HUB_FILE
    ours = _is_ours(hub)
    if hub.exists() and not ours and not force:
        raise OutputError("exists and is not of this command; choose another --out, or replace it with --force", hub)
    if out.samefile(folder.path):
        return
    if read_records(out):
        raise OutputError("is the output folder of another run; choose another --out", out)
    taken = [path.name for path in _shared(folder) if (out / path.name).exists()]
    if taken and not ours and not force:
        raise OutputError(
            "exists and is not of this command; choose another --out, or replace it with --force", out / taken[0]
        )


def _is_ours(hub: Path) -> bool:
    """Whether a `hub.txt` was written by this command."""
    try:
        return hub.read_text(encoding="utf-8").startswith(f"hub {HUB_NAME}\n")
    except (OSError, UnicodeDecodeError):
        return False


def _say_what_to_know(folder: RunFolder, out: Path, progress: Progress) -> None:
    """Say what a user should know before an upload."""
    if out.samefile(folder.path):
        progress.say(
            f"{folder.path} also has records that contain paths of this machine; use --out for a folder without them"
        )
    if personal := [sample.name for sample in folder.samples if sample.any_record.get("personal_genome")]:
        progress.say(f"{', '.join(personal)}: tracks of a personal genome may reveal genotypes, so protect the folder")
    if folder.contigs and not any(contig.name.startswith("chr") for contig in folder.contigs):
        progress.say(
            f"the tracks name contigs {folder.contigs[0].name}, …; UCSC names them chr1, …, and may not display them"
        )


def _shared(folder: RunFolder) -> list[Path]:
    """Return the files that the hub and the session name."""
    found = [track.path for track in folder.all_tracks()]
    for sample in folder.samples:
        if sample.contacts is not None:
            found += [sample.contacts.interact, sample.contacts.bedpe]
    return found


def _link(source: Path, target: Path) -> None:
    """Make a file appear in another folder, without a copy if the file system allows that.

    Raises:
        OutputError: It cannot be written.
    """
    if target.exists() and target.samefile(source):
        return
    temporary = temporary_beside(target)
    try:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        publish(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot be written: {reason(error)}; choose another --out", target) from error
    finally:
        temporary.unlink(missing_ok=True)
