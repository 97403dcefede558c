"""FASTA to tokens."""

from __future__ import annotations

import hashlib
import json
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.files import replacing
from epigept_batch.home import cache_folder
from epigept_batch.inputs.fasta_index import IndexedFasta, file_key
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DIGEST_BLOCK_BP = 8 << 20


_BASES = {"A": 0, "C": 1, "G": 2, "T": 3}
_TOKENS = bytes(_BASES.get(chr(byte).upper(), NO_BASE) for byte in range(256))
"""The token of each byte of a FASTA."""


class Genome:
    """A FASTA, plain or bgzip, read by position.

    The index (`.fai`, and `.gzi` for bgzip) lies beside the FASTA as samtools would have it, or in the cache where
    that folder cannot be written.

    Raises:
        InputError: No such file, empty, gzip that is not bgzip, no FASTA, or one that its index does not fit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fasta = IndexedFasta(path)
        self.contigs = tuple(Contig(name, length) for name, length in self._fasta.lengths.items())
        self._one_reader = Lock()  # a FASTA is one open file with one position

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
            # Twice as fast as an array of tokens indexed by the bytes.
            found = self._bases(contig, first, last).translate(_TOKENS)
            tokens[first - start : last - start] = np.frombuffer(found, np.uint8)
        return tokens

    def _bases(self, contig: Contig, start: int, end: int) -> bytes:
        """The bases [start, end) as they stand in the file."""
        with self._one_reader:
            return self._fasta.fetch(contig.name, start, end)

    def check_unchanged(self) -> None:
        """See that the file is still the one that was opened; each reading sees that nothing was written to it.

        Raises:
            InputError: It is not, so that what was read may be of two genomes.
        """
        self._fasta.check_unchanged()

    def md5(self, contig: Contig) -> str:
        """MD5 of the upper-cased sequence, as in the M5 tag of SAM headers; computed once for a file and kept."""
        kept = _DigestCache(self.path, self._fasta.stamp)
        if contig.name not in kept.digests:
            digest = hashlib.md5(usedforsecurity=False)
            for start in range(0, contig.length, DIGEST_BLOCK_BP):
                digest.update(self._bases(contig, start, min(start + DIGEST_BLOCK_BP, contig.length)).upper())
            kept.digests[contig.name] = digest.hexdigest()
            kept.write()
        return kept.digests[contig.name]


class _DigestCache:
    """Contig digests of one FASTA, kept while its size and time of change stay the same."""

    def __init__(self, fasta: Path, stamp: tuple[int, int]) -> None:
        self._stamp = list(stamp)
        folder = cache_folder("digests")
        self._file = None if folder is None else folder / f"{file_key(fasta)}.json"
        self.digests: dict[str, str] = {}
        if self._file is None:
            return
        try:
            document = json.loads(self._file.read_text())
            if document["stamp"] == self._stamp:
                self.digests = dict(document["md5"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there or not ours: it is made again

    def write(self) -> None:
        if self._file is None:
            return
        with replacing(self._file) as temporary:
            temporary.write_text(json.dumps({"stamp": self._stamp, "md5": self.digests}))
