"""A FASTA and its index, where that lies and whether it is of this file; the only file that knows pyfaidx."""

from __future__ import annotations

import bisect
import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import pyfaidx
from Bio import bgzf

from epigept_batch.bounds import GZIP_MAGIC
from epigept_batch.errors import InputError, reason
from epigept_batch.home import cache_folder, home
from epigept_batch.sequence.fasta_layout import SIGNS, read_layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BGZIP_MAGIC = GZIP_MAGIC + b"\x08\x04"
GZIP_ENDINGS = (".gz", ".bgz")
BLOCK_BYTES = 1 << 16  # of a bgzip, unpacked, at most
HEADER_BYTES = 4096
"""Of a record's header these are looked at, from its end."""
MOST_CHECKED = 64
"""Records of a bgzip whose place is compared with the index: each takes a block to be unpacked."""
NAME_KEPT = 100
"""Of a FASTA's name its index in the cache bears these last letters, so that it does not get too long."""


class IndexedFasta:
    """An open FASTA, plain or bgzip, that its index fits.

    An index that is older than the FASTA is made again, under its name when it is whole; one that is of another file
    all the same, as after a copy that keeps times, is refused. It lies beside the FASTA as samtools would have it, or
    in the cache where that folder cannot be written.

    Attributes:
        lengths: Bases of each record, by its name, in the file's order.

    Raises:
        InputError: No such file, empty, gzip that is not bgzip, no FASTA, or one that its index does not fit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_readable(path)
        fai, gzi = _index_paths(path)
        try:
            if not _is_current(path, fai, gzi):
                _make_index(path, fai, gzi)
            # Were it to rebuild an index, it would write over one that another run reads.
            self._faidx = pyfaidx.Faidx(path, indexname=fai, gzi_indexname=gzi, as_raw=True, rebuild=False)
        except InputError:
            raise
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            system = _system_error(error)
            if system is not None:
                raise InputError(f"FASTA cannot be read or indexed: {reason(system)}", path) from error
            raise InputError(f"is not a FASTA that can be indexed ({error})", path) from error
        try:
            self._look_through()
        except BaseException:
            self.close()
            raise

    def _look_through(self) -> None:
        """See what the index says, and whether it fits."""
        self._file: Any = self._faidx.file
        self._is_packed = isinstance(self._file, bgzf.BgzfReader)
        self.stamp = _stamp(os.fstat(self._file.fileno()))
        self.lengths: Mapping[str, int] = {name: record.rlen for name, record in self._faidx.index.items()}
        if not self.lengths:
            raise InputError(f"has an empty index; delete {self._faidx.indexname} and run again", self.path)
        self._check_index()

    def close(self) -> None:
        """Let go of the file."""
        self._faidx.close()

    def fetch(self, name: str, start: int, end: int) -> bytes:
        """The bases [start, end) of a record as they stand in the file.

        Raises:
            InputError: They cannot be read, or the file changed.
        """
        try:
            bases: str = self._faidx.fetch(name, start + 1, end)
            encoded = bases.encode("ascii", errors="replace")
        except Exception as error:  # as above
            self._check_handle()
            raise InputError(f"{name}:{start + 1}-{end} cannot be read ({error})", self.path) from error
        self._check_handle()
        if len(encoded) != end - start:
            raise InputError(
                f"{name}:{start + 1}-{end} holds {len(encoded)} bases; the file does not fit its index: "
                f"delete {self._faidx.indexname} and run again",
                self.path,
            )
        if strange := encoded.translate(None, SIGNS):
            raise InputError(
                f"{name}:{start + 1}-{end} holds {chr(strange[0])!r} among its bases; write bases alone, and delete "
                f"{self._faidx.indexname}",
                self.path,
            )
        return encoded

    def check_unchanged(self) -> None:
        """See that the file of that name is still the one that was opened, and was not written to.

        Raises:
            InputError: It is not, so that what was read may be of two genomes.
        """
        try:
            same = os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))
        except OSError as error:
            raise InputError(f"was taken away while it was read ({reason(error)}); run again", self.path) from error
        if not same:
            raise InputError("was replaced while it was read; run again", self.path)
        self._check_handle()

    def _check_handle(self) -> None:
        if _stamp(os.fstat(self._file.fileno())) != self.stamp:
            raise InputError("changed while it was read; run again when it is whole", self.path)

    def _check_index(self) -> None:
        """See that records begin and end where the index says; of a bgzip some of them, from all over.

        Raises:
            InputError: They do not: the index is of another file, or was cut short.
        """
        for name, begins, ends in self._places_found():
            if not (begins and ends):
                raise InputError(
                    f"does not fit its index, by which {name} {'ends' if begins else 'begins'} elsewhere; delete "
                    f"{self._faidx.indexname} and run again",
                    self.path,
                )

    def _places_found(self) -> Iterator[tuple[str, bool, bool]]:
        """Records' names, whether each begins where the index says and whether it ends there."""
        records = list(self._faidx.index.items())
        last = len(records) - 1
        few = self._is_packed and len(records) > MOST_CHECKED
        places = {round(place) for place in np.linspace(0, last, MOST_CHECKED)} if few else range(len(records))
        for place in sorted(places):
            name, record = records[place]
            before = self._bytes(max(0, record.offset - HEADER_BYTES), record.offset)
            line_end = record.lenb - record.lenc
            base = min(record.rlen, 1)  # the last, which must be there
            after = self._bytes(record.bend - line_end - base, record.bend + HEADER_BYTES)
            begins = before is not None and _is_header(before, name, ended=record.rlen > 0)
            yield name, begins, after is not None and _is_end(after, base, last=place == last)

    def _bytes(self, start: int, end: int) -> bytes | None:
        """Unpacked bytes of the file, fewer at its end; None where they cannot be unpacked."""
        if not self._is_packed:
            return os.pread(self._file.fileno(), end - start, start)
        blocks = self._faidx.gzi_index
        block = blocks[max(0, bisect.bisect_right(blocks, start, key=lambda block: block.ustart) - 1)]
        within = start - block.ustart
        if within >= BLOCK_BYTES:
            return None
        place = bgzf.make_virtual_offset(block.cstart, within)  # type: ignore[no-untyped-call]
        try:
            self._file.seek(place)
            found: bytes = self._file.read(end - start)
        except (OSError, ValueError, zlib.error):
            return None
        return found


class _MadeIndex(pyfaidx.Faidx):  # type: ignore[misc]
    """An index that is made by our layout: pyfaidx's own takes spaces for bases and no blank lines, and is slower."""

    def build_index(self) -> None:
        path = Path(self.filename)
        try:
            with _unpacked(path) as stream, Path(self.indexname).open("w", encoding="utf-8") as index:
                index.writelines(map(str, read_layout(stream, path)))
        except BaseException:
            self.file.close()
            raise


def _unpacked(path: Path) -> BinaryIO:
    if path.name.lower().endswith(GZIP_ENDINGS):
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def file_key(path: Path) -> str:
    """A name for a file by its place in the file system."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]


def _check_readable(path: Path) -> None:
    """Say plainly what pyfaidx would say in its own words."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError("is a pipe or device, which cannot be read by position; give a file", path)
        with path.open("rb") as stream:
            head = stream.read(len(BGZIP_MAGIC))
    except OSError as error:
        raise InputError(f"FASTA cannot be read: {reason(error)}", path) from error
    if not head:
        raise InputError("FASTA is empty", path)
    named_gzip = path.name.lower().endswith(GZIP_ENDINGS)
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
    """Where the .fai and the .gzi are or shall be: beside it, unless none there is good and none can be made."""
    beside = f"{path}.fai", f"{path}.gzi"
    if _is_current(path, *beside) or os.access(path.parent, os.W_OK):
        return beside
    folder = cache_folder("indexes")
    if folder is None:
        raise InputError(
            f"has no index that is as new as it, and neither its folder nor {home()} can be written; run samtools "
            "faidx, or name a folder by EPIGEPT_BATCH_HOME",
            path,
        )
    stem = folder / f"{file_key(path)}.{path.name[-NAME_KEPT:]}"
    return f"{stem}.fai", f"{stem}.gzi"


def _is_current(path: Path, fai: str, gzi: str) -> bool:
    """Whether there is an index that is not older than the FASTA."""
    needed = [fai, gzi] if path.name.lower().endswith(GZIP_ENDINGS) else [fai]
    try:
        return min(Path(name).stat().st_mtime_ns for name in needed) >= path.stat().st_mtime_ns
    except OSError:
        return False


def _make_index(path: Path, fai: str, gzi: str) -> None:
    """Index a FASTA; the index gets its name when it is whole."""
    with tempfile.TemporaryDirectory(prefix=".epigept-batch.", suffix=".part", dir=Path(fai).parent) as folder:
        made_fai, made_gzi = f"{folder}/fai", f"{folder}/gzi"
        with _MadeIndex(path, indexname=made_fai, gzi_indexname=made_gzi, as_raw=True):
            pass
        for made, name in ((Path(made_gzi), gzi), (Path(made_fai), fai)):
            if made.exists():
                _let_look_as_new(made, path)
                made.replace(name)


def _let_look_as_new(made: Path, path: Path) -> None:
    """Let an index not look older than a FASTA whose time lies in the future."""
    now, fasta = made.stat().st_mtime_ns, path.stat().st_mtime_ns
    if now < fasta:
        os.utime(made, ns=(fasta, fasta))


def _is_header(text: bytes, name: str, *, ended: bool) -> bool:
    """Whether text ends with the header of a record of that name, or with the end of one that is longer than it.

    Its line has ended unless the file has no more. Blank lines may lie between a header and its record.
    """
    if ended and not text.endswith(b"\n"):
        return False
    text = text.rstrip()
    begin = text.rfind(b"\n") + 1
    if begin == 0 and len(text) > HEADER_BYTES // 2:
        return True
    return text[begin : begin + 1] == b">" and text[begin + 1 :].split()[:1] == [name.encode()]


def _is_end(text: bytes, bases: int, *, last: bool) -> bool:
    """Whether text begins with so many bases, ends its line, and goes on with a header or, at the last, not at all."""
    rest = text[bases:]
    behind = rest.lstrip()
    ended = not behind if last else behind.startswith(b">")
    return ended and len(text[:bases].strip()) == bases and (not bases or not rest or len(behind) < len(rest))


def _system_error(error: BaseException) -> OSError | None:
    """What the system refused, where that is behind an error of pyfaidx, which words it otherwise."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _stamp(state: os.stat_result) -> tuple[int, int]:
    """What changes when a file is written to."""
    return state.st_size, state.st_mtime_ns
