"""Read a FASTA as tokens."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np

from epigept_batch.files import replacing
from epigept_batch.home import cache_folder
from epigept_batch.sequence.fasta_index import IndexedFasta, file_key
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

DIGEST_BLOCK_BP = 8 << 20
KEEP_SECONDS = 1.0
"""A killed run loses at most this many seconds of digesting, or ten times as long as it takes to save the digests."""
KEEP_SHARE = 10

_BASES = {"A": 0, "C": 1, "G": 2, "T": 3}
_TOKENS = bytes(_BASES.get(chr(byte).upper(), NO_BASE) for byte in range(256))
"""The token of each byte of a FASTA."""


class Genome:
    """A FASTA, plain or bgzip, read by position.

    The index (`.fai`, and `.gzi` for bgzip) lies beside the FASTA, as with samtools, or in the cache if that folder is
    not writable. A context manager that closes the file.

    Raises:
        InputError: The file does not exist, is empty, is gzip but not bgzip, is not a FASTA, or does not fit its index.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fasta = IndexedFasta(path)
        self.contigs = tuple(Contig(name, length) for name, length in self._fasta.lengths.items())
        self._one_reader = Lock()  # the FASTA is one open file with one position
        self._kept = _DigestCache(path, self._fasta.stamp)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Genome], tuple[Path]]:
        """Pickle the path: another process opens the file itself, because an open file has one position for all."""
        return Genome, (self.path,)

    def close(self) -> None:
        """Close the file and save digests that are not on disk yet."""
        self._kept.write()
        with self._one_reader:
            self._fasta.close()

    @property
    def files(self) -> tuple[Path, ...]:
        """The FASTA, its .fai and, for bgzip, its .gzi."""
        return (self.path, *self._fasta.indexes)

    def tokens(self, contig: Contig, start: int, end: int) -> NDArray[np.uint8]:
        """Return bases [start, end) of a contig as A 0, C 1, G 2, T 3, any other 4, in either case.

        Args:
            contig: One of `contigs`.
            start: May be negative.
            end: May lie beyond the contig's end. Positions outside the contig are 4.

        Returns:
            uint8, (end - start,).
        """
        tokens = np.full(end - start, NO_BASE, dtype=np.uint8)
        first, last = max(start, 0), min(end, contig.length)
        if first < last:
            # Twice as fast as indexing an array of tokens by the bytes.
            found = self._bases(contig, first, last).translate(_TOKENS)
            tokens[first - start : last - start] = np.frombuffer(found, np.uint8)
        return tokens

    def letters(self, contig: Contig, start: int, end: int) -> bytes:
        """Return the letters [start, end) of a contig as written in the file; the range must lie within the contig."""
        return self._bases(contig, start, end)

    def _bases(self, contig: Contig, start: int, end: int) -> bytes:
        """Return the bases [start, end) as written in the file."""
        with self._one_reader:
            return self._fasta.fetch(contig.name, start, end)

    def check_unchanged(self) -> None:
        """Check that the file is still the one that was opened. Every read already checks that it was not modified.

        Raises:
            InputError: It is not, so the data may come from two genomes.
        """
        self._fasta.check_unchanged()

    def md5s(self, contigs: Iterable[Contig]) -> dict[str, str]:
        """Return the `md5` of several contigs, by name; they are saved to disk even if this fails."""
        try:
            return {contig.name: self.md5(contig) for contig in contigs}
        finally:
            self._kept.write()

    def md5(self, contig: Contig) -> str:
        """Return the MD5 of the upper-cased sequence, as in the M5 tag of SAM headers; computed once per file."""
        kept = self._kept.get(contig.name)
        if kept is not None:
            return kept
        digest = hashlib.md5(usedforsecurity=False)
        for start in range(0, contig.length, DIGEST_BLOCK_BP):
            digest.update(self._bases(contig, start, min(start + DIGEST_BLOCK_BP, contig.length)).upper())
        self._kept.add(contig.name, digest.hexdigest())
        return digest.hexdigest()


def forget_digests(fasta: Path) -> None:
    """Remove the saved digests of a FASTA that will not be read again; the FASTA itself may be gone."""
    file = _digest_file(fasta)
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _digest_file(fasta: Path) -> Path | None:
    """Return where the digests of a FASTA are saved; None if the cache is not writable."""
    folder = cache_folder("digests")
    return None if folder is None else folder / f"{file_key(fasta)}.json"


class _DigestCache:
    """Contig digests of one FASTA, valid while its size and modification time stay the same.

    The file is read once and rewritten as a whole, by rename, from time to time: rewriting it for every digest would
    take time proportional to the number of contigs squared. Digests that another process saves meanwhile are kept.

    Args:
        fasta: The file.
        stamp: Its size and modification time.
    """

    def __init__(self, fasta: Path, stamp: tuple[int, int]) -> None:
        self._fasta = fasta
        self._stamp = list(stamp)
        self._digests: dict[str, str] | None = None
        self._has_news = False
        self._due = time.monotonic()

    def get(self, name: str) -> str | None:
        """Return the digest of a contig; None if it is not known."""
        if self._digests is None:
            self._digests = dict(self._on_disk())
        return self._digests.get(name)

    def add(self, name: str, digest: str) -> None:
        """Add the digest of a contig; it is saved to disk soon."""
        self._digests = {} if self._digests is None else self._digests
        self._digests[name] = digest
        self._has_news = True
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Save new digests to disk; if that fails, the next run computes them again."""
        if not self._has_news or self._digests is None:
            return
        begun = time.monotonic()
        self._has_news = False
        self._digests = {**self._on_disk(), **self._digests}
        file = _digest_file(self._fasta)
        if file is not None:
            with suppress(OSError), replacing(file) as temporary:
                temporary.write_text(json.dumps({"stamp": self._stamp, "md5": self._digests}))
        ended = time.monotonic()
        self._due = ended + max(KEEP_SECONDS, KEEP_SHARE * (ended - begun))

    def _on_disk(self) -> Mapping[str, str]:
        file = _digest_file(self._fasta)
        try:
            document = {} if file is None else json.loads(file.read_text())
            return dict(document["md5"]) if document["stamp"] == self._stamp else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # missing or not ours: it is rebuilt
