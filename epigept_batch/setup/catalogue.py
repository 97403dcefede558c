"""Catalogues in TOML: the files that a real run requires, and where they are published."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

GENOME, MODEL = "genome", "model"
CHECKPOINT, EXPRESSION_REFERENCE, MOTIFS, MOTIF_FACTORS = (
    "checkpoint",
    "expression_reference",
    "motifs",
    "motif_factors",
)
FOR_CONVERSION = (MOTIFS, MOTIF_FACTORS, EXPRESSION_REFERENCE, CHECKPOINT)
"""The assets that only conversion requires, the smallest first, so that a wrong address shows early."""
PINNED_WHOEVER_GIVES_IT = (MOTIFS, MOTIF_FACTORS)
"""Assets whose checksums hold for the user's own files too: with another file, the network's inputs change meaning."""
BUILT_IN = "hg38"
NO_LICENCE = "—"
"""Licence shown for the user's own files."""
SCHEME = "://"
"""Marks a location as an address; paths do not contain it."""


@dataclass(frozen=True)
class Asset:
    """One file that a run needs.

    Attributes:
        name: Name of the asset.
        location: Its address or its path.
        bytes: Approximate size of the download; None if it is not known.
        unpacked_bytes: Approximate size of the installed file; None if it equals `bytes`.
        sha256: Required SHA-256; None if it is not pinned.
        md5: Required MD5; None if it is not pinned.
        licence: Its licence, in words.
        page: Web page on which a person finds it.
        given: Whether it is the user's choice, not the catalogue's.
    """

    name: str
    location: str
    bytes: int | None = None
    unpacked_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    licence: str = "not stated"
    page: str | None = None
    given: bool = False

    @property
    def option(self) -> str:
        """The option that provides another file."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def is_remote(self) -> bool:
        """Whether it must be downloaded."""
        return is_address(self.location)

    @property
    def path(self) -> Path:
        """Its path, if it is not remote."""
        return Path(self.location)

    @property
    def file_name(self) -> str:
        """The last part of its address or path."""
        path = unquote(urlsplit(self.location).path) if self.is_remote else self.location
        return Path(path).name or self.name

    @property
    def advice(self) -> str:
        """What to do if it cannot be downloaded."""
        where = f"download it from {self.page} and pass it" if self.page else "provide the file"
        return f"rerun, or {where} with {self.option} FILE"

    def given_as(self, location: str) -> Asset:
        """Return the asset at the user's location; its checksums stay if no other file would fit."""
        keep = self.name in PINNED_WHOEVER_GIVES_IT
        where = location if SCHEME in location else str(Path(location).absolute())
        return replace(
            self,
            location=where,
            bytes=None,
            sha256=self.sha256 if keep else None,
            md5=self.md5 if keep else None,
            licence=NO_LICENCE,
            page=None,
            given=True,
        )


@dataclass(frozen=True)
class Catalogue:
    """All files that one setup requires.

    Attributes:
        name: The name or path that the user gave.
        title: Description, in words.
        assets: Assets by name: the genome, and the model or the assets that it is made from.
        contigs: Lengths in bp of contigs that the genome must have; empty to accept any genome.
    """

    name: str
    title: str
    assets: Mapping[str, Asset]
    contigs: Mapping[str, int]


def is_address(location: str) -> bool:
    """Whether a location is a web address."""
    return location.lower().startswith(("http://", "https://"))


def read_catalogue(name: str) -> Catalogue:
    """Read the built-in catalogue by its name, or another by its path.

    Raises:
        InputError: There is no such catalogue, or it is not valid.
    """
    if name == BUILT_IN:
        text, folder = resources.files("epigept_batch.setup").joinpath("hg38.toml").read_text("utf-8"), Path()
    else:
        path = Path(name)
        if not path.exists() and not name.endswith(".toml"):
            raise InputError(f"no catalogue {name!r}; use {BUILT_IN}, or the path of a catalogue file")
        try:
            text, folder = path.read_text("utf-8"), path.parent.absolute()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise InputError(f"catalogue cannot be read: {reason}", path) from error
    try:
        return _catalogue(name, tomllib.loads(text), folder)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"not valid TOML: {error}", name) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a valid catalogue: {error.args[0]}", name) from error


def _catalogue(name: str, document: dict[str, Any], folder: Path) -> Catalogue:
    """Make a catalogue from its document.

    Raises:
        ValueError: Something is missing, unknown, or of the wrong type.
    """
    assets = {key: _asset(key, value, folder) for key, value in document.get("assets", {}).items()}
    strange = set(assets) - {GENOME, MODEL, *FOR_CONVERSION} or set(document) - {"title", "assets", "contigs"}
    if strange:
        raise ValueError(f"unknown key {min(strange)}")
    missing = [key for key in (GENOME, *(() if MODEL in assets else FOR_CONVERSION)) if key not in assets]
    if missing:
        raise ValueError(f"[assets.{missing[0]}] is missing")
    contigs = document.get("contigs", {})
    odd = [contig for contig, length in contigs.items() if not isinstance(length, int) or length < 1]
    if odd:
        raise ValueError(f"the length of contig {odd[0]} is not a whole number of at least 1")
    return Catalogue(name, str(document.get("title", name)), assets, contigs)


def _asset(name: str, entry: dict[str, Any], folder: Path) -> Asset:
    kinds = {"url": str, "bytes": int, "unpacked_bytes": int, "sha256": str, "md5": str, "licence": str, "page": str}
    for key, value in entry.items():
        if key not in kinds:
            raise ValueError(f"unknown key {key} of {name}")
        if not isinstance(value, kinds[key]):
            raise ValueError(f"{key} of {name} has the wrong type: {value!r}")  # noqa: TRY004 - the document's fault
    if "url" not in entry:
        raise ValueError(f"{name} has no url")
    url = entry["url"]
    fields = {key: value for key, value in entry.items() if key != "url"}
    return Asset(name, url if SCHEME in url else str(folder / url), **fields)
