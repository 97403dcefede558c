"""FASTA to tokens; the only file that knows pyfaidx."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import pyfaidx

from epigept_batch.errors import InputError
from epigept_batch.files import replacing
from epigept_batch.home import cache_folder, home
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGEST_BLOCK_BP = 8 << 20
GZIP_MAGIC = b"\x1f\x8b"
BGZIP_MAGIC = b"\x1f\x8b\x08\x04"


def _token_table() -> NDArray[np.uint8]:
    table = np.full(256, NO_BASE, dtype=np.uint8)
    for token, base in enumerate("ACGT"):
        table[[ord(base), ord(base.lower())]] = token
    return table


_TOKENS = _token_table()


class Genome:
    """A FASTA, plain or bgzip, read by position.

    The index (`.fai`, and `.gzi` for bgzip) lies beside the FASTA as samtools would have it, or in the cache where
    that folder cannot be written.

    Raises:
        InputError: No such file, empty, gzip that is not bgzip, or no FASTA.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_readable(path)
        fai, gzi = _index_paths(path)
        try:
            self._faidx = pyfaidx.Faidx(path, indexname=fai, gzi_indexname=gzi, as_raw=True)
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            raise InputError(f"is not a FASTA that can be indexed ({error})", path) from error
        self.contigs = tuple(Contig(name, record.rlen) for name, record in self._faidx.index.items())
        self._one_reader = Lock()  # a FASTA is one open file with one position
        if not self.contigs:
            raise InputError(f"has an empty index; delete {fai} and run again", path)

    def tokens(self, contig: Contig, start: int, end: int) -> NDArray[np.uint8]:
        """Bases [start, end) of a contig as A 0, C 1, G 2, T 3, any other 4, in either case.

        Args:
            contig: One of `contigs`.
            start: May be negative.
            end: May lie beyond the contig's end; what lies outside is 4.

        Returns:
            uint8, (end - start,).
        """
        tokens = np.full(end - start, NO_BASE, dtype=np.uint8)
        first, last = max(start, 0), min(end, contig.length)
        if first < last:
            tokens[first - start : last - start] = _TOKENS[np.frombuffer(self._bases(contig, first, last), np.uint8)]
        return tokens

    def _bases(self, contig: Contig, start: int, end: int) -> bytes:
        """The bases [start, end) as they stand in the file."""
        try:
            with self._one_reader:
                bases: str = self._faidx.fetch(contig.name, start + 1, end)
            encoded = bases.encode("ascii", errors="replace")
        except Exception as error:  # as above
            raise InputError(f"{contig.name}:{start + 1}-{end} cannot be read ({error})", self.path) from error
        if len(encoded) != end - start:
            raise InputError(
                f"{contig.name}:{start + 1}-{end} holds {len(encoded)} bases; the file does not fit its index: "
                f"delete {self._faidx.indexname} and run again",
                self.path,
            )
        return encoded

    def md5(self, contig: Contig) -> str:
        """MD5 of the upper-cased sequence, as in the M5 tag of SAM headers; computed once for a file and kept."""
        kept = _DigestCache(self.path)
        if contig.name not in kept.digests:
            digest = hashlib.md5(usedforsecurity=False)
            for start in range(0, contig.length, DIGEST_BLOCK_BP):
                digest.update(self._bases(contig, start, min(start + DIGEST_BLOCK_BP, contig.length)).upper())
            kept.digests[contig.name] = digest.hexdigest()
            kept.write()
        return kept.digests[contig.name]


def _check_readable(path: Path) -> None:
    """Say plainly what pyfaidx would say in its own words."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise InputError(f"FASTA cannot be read: {error.strerror}", path) from error
    if not head:
        raise InputError("FASTA is empty", path)
    named_gzip = path.name.lower().endswith((".gz", ".bgz"))
    if head.startswith(GZIP_MAGIC) and not head.startswith(BGZIP_MAGIC):
        raise InputError(
            f"is gzip, not bgzip; run gunzip -k {path} and give the plain file, or pack that with bgzip", path
        )
    if head.startswith(GZIP_MAGIC) != named_gzip:
        raise InputError(
            "is bgzip but not named so; give it a name that ends in .gz"
            if not named_gzip
            else "is named as compressed but is not; give it a name without .gz",
            path,
        )


def _index_paths(path: Path) -> tuple[str, str]:
    """Where the .fai and the .gzi are or shall be."""
    beside = f"{path}.fai"
    if os.access(path.parent, os.W_OK) or Path(beside).exists():
        return beside, f"{path}.gzi"
    folder = cache_folder("indexes")
    if folder is None:
        raise InputError(f"has no index, and neither its folder nor {home()} can be written; run samtools faidx", path)
    stem = folder / f"{_key(path)}.{path.name}"
    return f"{stem}.fai", f"{stem}.gzi"


def _key(path: Path) -> str:
    """A name for a file by its place in the file system."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]


class _DigestCache:
    """Contig digests of one FASTA, kept while its size and time of change stay the same."""

    def __init__(self, fasta: Path) -> None:
        state = fasta.stat()
        self._stamp = [state.st_size, state.st_mtime_ns]
        folder = cache_folder("digests")
        self._file = None if folder is None else folder / f"{_key(fasta)}.json"
        self.digests: dict[str, str] = {}
        if self._file is None:
            return
        try:
            document = json.loads(self._file.read_text())
            if document["stamp"] == self._stamp:
                self.digests = document["md5"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there or not ours: it is made again

    def write(self) -> None:
        if self._file is None:
            return
        with replacing(self._file) as temporary:
            temporary.write_text(json.dumps({"stamp": self._stamp, "md5": self.digests}))
