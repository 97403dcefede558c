"""What a real run needs and where it is published: catalogues as TOML, the built-in one and those of others."""

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
"""What only conversion needs, the smallest first: what is wrong with an address is soon known."""
PINNED_WHOEVER_GIVES_IT = (MOTIFS, MOTIF_FACTORS)
"""Of which another file than the catalogue's would give the network's inputs another meaning."""
BUILT_IN = "hg38"
NO_LICENCE = "—"
"""Of a file that the user has: under which is theirs to know."""
SCHEME = "://"
"""What addresses have and paths have not."""


@dataclass(frozen=True)
class Asset:
    """One file that a run needs.

    Attributes:
        name: Which.
        location: Its address, or its path.
        bytes: How many are to be fetched, about; None where that is not known.
        unpacked_bytes: How many it takes where it is used; None where that is `bytes`.
        sha256: What it must be; None where that is not pinned.
        md5: Likewise.
        licence: Under which it is given, in words.
        page: Where a person finds it.
        given: It is the user's choice, not the catalogue's.
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
        """The option by which another file is given."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def is_remote(self) -> bool:
        """Whether it is to be downloaded."""
        return is_address(self.location)

    @property
    def path(self) -> Path:
        """Where it lies, if it is not remote."""
        return Path(self.location)

    @property
    def file_name(self) -> str:
        """The last part of its address or path."""
        path = unquote(urlsplit(self.location).path) if self.is_remote else self.location
        return Path(path).name or self.name

    @property
    def advice(self) -> str:
        """What to do where it cannot be had."""
        where = f"get it from {self.page} and give it" if self.page else "give the file"
        return f"run again, or {where} by {self.option} FILE"

    def given_as(self, location: str) -> Asset:
        """The same asset from where the user says; what is pinned stays so where any other file would not fit."""
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
    """Everything that one set-up needs.

    Attributes:
        name: What the user called it.
        title: What it is, in words.
        assets: By name: the genome, and the model or what makes one.
        contigs: Lengths in bp of contigs that the genome must have; empty to take any.
    """

    name: str
    title: str
    assets: Mapping[str, Asset]
    contigs: Mapping[str, int]


def is_address(location: str) -> bool:
    """Whether a location is on the web."""
    return location.lower().startswith(("http://", "https://"))


def read_catalogue(name: str) -> Catalogue:
    """Read the built-in catalogue by its name, or another by its path.

    Raises:
        InputError: There is none, or it is not as a catalogue should be.
    """
    if name == BUILT_IN:
        text, folder = resources.files("epigept_batch.setup").joinpath("hg38.toml").read_text("utf-8"), Path()
    else:
        path = Path(name)
        if not path.exists() and not name.endswith(".toml"):
            raise InputError(f"there is no catalogue {name!r}; give {BUILT_IN}, or a catalogue's file")
        try:
            text, folder = path.read_text("utf-8"), path.parent.absolute()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise InputError(f"catalogue cannot be read: {reason}", path) from error
    try:
        return _catalogue(name, tomllib.loads(text), folder)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"is no TOML: {error}", name) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no catalogue: {error.args[0]}", name) from error


def _catalogue(name: str, document: dict[str, Any], folder: Path) -> Catalogue:
    """A catalogue of its document.

    Raises:
        ValueError: Something is missing, of another kind, or not known here.
    """
    assets = {key: _asset(key, value, folder) for key, value in document.get("assets", {}).items()}
    strange = set(assets) - {GENOME, MODEL, *FOR_CONVERSION} or set(document) - {"title", "assets", "contigs"}
    if strange:
        raise ValueError(f"{min(strange)} is not known here")
    missing = [key for key in (GENOME, *(() if MODEL in assets else FOR_CONVERSION)) if key not in assets]
    if missing:
        raise ValueError(f"lacks [assets.{missing[0]}]")
    contigs = document.get("contigs", {})
    odd = [contig for contig, length in contigs.items() if not isinstance(length, int) or length < 1]
    if odd:
        raise ValueError(f"the length of contig {odd[0]} is no number from 1 up")
    return Catalogue(name, str(document.get("title", name)), assets, contigs)


def _asset(name: str, entry: dict[str, Any], folder: Path) -> Asset:
    kinds = {"url": str, "bytes": int, "unpacked_bytes": int, "sha256": str, "md5": str, "licence": str, "page": str}
    for key, value in entry.items():
        if key not in kinds:
            raise ValueError(f"{key} of {name} is not known here")
        if not isinstance(value, kinds[key]):
            raise ValueError(f"{key} of {name} is {value!r}")  # noqa: TRY004 - the document's fault, not the caller's
    if "url" not in entry:
        raise ValueError(f"{name} has no url")
    url = entry["url"]
    fields = {key: value for key, value in entry.items() if key != "url"}
    return Asset(name, url if SCHEME in url else str(folder / url), **fields)
