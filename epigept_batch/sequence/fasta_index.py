"""Open a FASTA with its index: where the index is, and whether it fits the file. The only module that uses pyfaidx."""

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
BLOCK_BYTES = 1 << 16  # most bytes of an unpacked bgzip block
HEADER_BYTES = 4096
"""How many of the last bytes of a record's header are read."""
MOST_CHECKED = 64
"""Most records of a bgzip file whose place is compared with the index: each requires unpacking a block."""
NAME_KEPT = 100
"""How many of the last characters of a FASTA's name its index in the cache keeps, so that the name stays short."""


class IndexedFasta:
    """An open FASTA, plain or bgzip, with an index that fits.

    An index that is older than the FASTA is rebuilt and replaced when it is complete. One that is newer but belongs to
    another file, as after a copy that keeps timestamps, is refused. The index lies beside the FASTA, as with samtools,
    or in the cache if that folder is not writable.

    Attributes:
        lengths: Number of bases of each record, by name, in the file's order.
        indexes: The paths of its indexes: .fai, and .gzi for bgzip.

    Raises:
        InputError: The file does not exist, is empty, is gzip but not bgzip, is not a FASTA, or does not fit its index.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_readable(path)
        fai, gzi = _index_paths(path)
        self._indexes = Path(fai), Path(gzi)
        try:
            if not _is_current(path, fai, gzi):
                _make_index(path, fai, gzi)
            # With rebuild=True it would overwrite an index that another run is reading.
            self._faidx = pyfaidx.Faidx(path, indexname=fai, gzi_indexname=gzi, as_raw=True, rebuild=False)
        except InputError:
            raise
        except Exception as error:  # a damaged file can raise any error
            system = _system_error(error)
            if system is not None:
                raise InputError(f"FASTA cannot be read or indexed: {reason(system)}", path) from error
            raise InputError(f"not a FASTA that can be indexed ({error})", path) from error
        try:
            self._look_through()
        except BaseException:
            self.close()
            raise

    def _look_through(self) -> None:
        """Read the index and check that it fits."""
        self._file: Any = self._faidx.file
        self._is_packed = isinstance(self._file, bgzf.BgzfReader)
        self.stamp = _stamp(os.fstat(self._file.fileno()))
        self.indexes = self._indexes[: 2 if self._is_packed else 1]
        self.lengths: Mapping[str, int] = {name: record.rlen for name, record in self._faidx.index.items()}
        if not self.lengths:
            raise InputError(f"its index is empty; delete {self._faidx.indexname} and rerun", self.path)
        self._check_index()

    def close(self) -> None:
        """Close the file."""
        self._faidx.close()

    def fetch(self, name: str, start: int, end: int) -> bytes:
        """Return the bases [start, end) of a record as written in the file.

        Raises:
            InputError: They cannot be read, or the file has changed.
        """
        try:
            bases: str = self._faidx.fetch(name, start + 1, end)
            encoded = bases.encode("ascii", errors="replace")
        except Exception as error:  # any error, as above
            self._check_handle()
            raise InputError(f"{name}:{start + 1}-{end} cannot be read ({error})", self.path) from error
        self._check_handle()
        if len(encoded) != end - start:
            raise InputError(
                f"{name}:{start + 1}-{end} contains {len(encoded)} bases, so the index does not fit the file; "
                f"delete {self._faidx.indexname} and rerun",
                self.path,
            )
        if strange := encoded.translate(None, SIGNS):
            raise InputError(
                f"{name}:{start + 1}-{end} contains {chr(strange[0])!r} among its bases; remove all characters that "
                f"are not bases, delete {self._faidx.indexname} and rerun",
                self.path,
            )
        return encoded

    def check_unchanged(self) -> None:
        """Check that the path still names the file that was opened, and that the file was not modified.

        Raises:
            InputError: It does not or it was, so the data may come from two genomes.
        """
        try:
            same = os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))
        except OSError as error:
            raise InputError(f"file disappeared during the run ({reason(error)}); rerun", self.path) from error
        if not same:
            raise InputError("file was replaced during the run; rerun", self.path)
        self._check_handle()

    def _check_handle(self) -> None:
        if _stamp(os.fstat(self._file.fileno())) != self.stamp:
            raise InputError("file changed during the run; rerun when it is complete", self.path)

    def _check_index(self) -> None:
        """Check that records begin and end where the index says; in a bgzip file only an even sample of records.

        Raises:
            InputError: They do not: the index belongs to another file, or is truncated.
        """
        for name, begins, ends in self._places_found():
            if not (begins and ends):
                raise InputError(
                    f"does not fit its index: {name} does not {'end' if begins else 'begin'} where the index says; "
                    f"delete {self._faidx.indexname} and rerun",
                    self.path,
                )

    def _places_found(self) -> Iterator[tuple[str, bool, bool]]:
        """Yield each record's name, and whether it begins and ends where the index says."""
        records = list(self._faidx.index.items())
        last = len(records) - 1
        few = self._is_packed and len(records) > MOST_CHECKED
        places = {round(place) for place in np.linspace(0, last, MOST_CHECKED)} if few else range(len(records))
        for place in sorted(places):
            name, record = records[place]
            before = self._bytes(max(0, record.offset - HEADER_BYTES), record.offset)
            line_end = record.lenb - record.lenc
            base = min(record.rlen, 1)  # the last base, which must be there
            after = self._bytes(record.bend - line_end - base, record.bend + HEADER_BYTES)
            begins = before is not None and _is_header(before, name, ended=record.rlen > 0)
            yield name, begins, after is not None and _is_end(after, base, last=place == last)

    def _bytes(self, start: int, end: int) -> bytes | None:
        """Return unpacked bytes of the file, fewer at its end; None if they cannot be unpacked."""
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
    """An index built from our own layout. pyfaidx's own counts spaces as bases, refuses blank lines, and is slower."""

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
    """Return a short key for a file, derived from its resolved path."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]


def _check_readable(path: Path) -> None:
    """Refuse unreadable or unsuitable files, with clearer messages than pyfaidx gives."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError("is a pipe or device, which cannot be read by position; use a regular file", path)
        with path.open("rb") as stream:
            head = stream.read(len(BGZIP_MAGIC))
    except OSError as error:
        raise InputError(f"FASTA cannot be read: {reason(error)}", path) from error
    if not head:
        raise InputError("FASTA is empty", path)
    named_gzip = path.name.lower().endswith(GZIP_ENDINGS)
    if head.startswith(GZIP_MAGIC) and not head.startswith(BGZIP_MAGIC):
        raise InputError(
            f"compressed with gzip, not bgzip; run gunzip -k {path} and use the plain file, or pack it with bgzip",
            path,
        )
    if head.startswith(GZIP_MAGIC) != named_gzip:
        raise InputError(
            "is bgzip but its name does not end in .gz; rename it"
            if not named_gzip
            else "is not compressed, although its name says so; rename it without .gz",
            path,
        )


def _index_paths(path: Path) -> tuple[str, str]:
    """Return the paths of .fai and .gzi: beside the FASTA, unless these are not current and cannot be written."""
    beside = f"{path}.fai", f"{path}.gzi"
    if _is_current(path, *beside) or os.access(path.parent, os.W_OK):
        return beside
    folder = cache_folder("indexes")
    if folder is None:
        raise InputError(
            f"no up-to-date index, and neither its folder nor {home()} can be written; run samtools faidx, "
            "or set EPIGEPT_BATCH_HOME to a writable folder",
            path,
        )
    stem = folder / f"{file_key(path)}.{path.name[-NAME_KEPT:]}"
    return f"{stem}.fai", f"{stem}.gzi"


def _is_current(path: Path, fai: str, gzi: str) -> bool:
    """Whether an index exists that is not older than the FASTA."""
    needed = [fai, gzi] if path.name.lower().endswith(GZIP_ENDINGS) else [fai]
    try:
        return min(Path(name).stat().st_mtime_ns for name in needed) >= path.stat().st_mtime_ns
    except OSError:
        return False


def _make_index(path: Path, fai: str, gzi: str) -> None:
    """Index a FASTA; the index gets its final name when it is complete."""
    with tempfile.TemporaryDirectory(prefix=".epigept-batch.", suffix=".part", dir=Path(fai).parent) as folder:
        made_fai, made_gzi = f"{folder}/fai", f"{folder}/gzi"
        with _MadeIndex(path, indexname=made_fai, gzi_indexname=made_gzi, as_raw=True):
            pass
        for made, name in ((Path(made_gzi), gzi), (Path(made_fai), fai)):
            if made.exists():
                _let_look_as_new(made, path)
                made.replace(name)


def _let_look_as_new(made: Path, path: Path) -> None:
    """Keep an index from looking older than a FASTA whose timestamp lies in the future."""
    now, fasta = made.stat().st_mtime_ns, path.stat().st_mtime_ns
    if now < fasta:
        os.utime(made, ns=(fasta, fasta))


def _is_header(text: bytes, name: str, *, ended: bool) -> bool:
    """Whether text ends with the header of a record of that name, or with the end of a header longer than the text.

    The header's line must be complete unless the file ends there. Blank lines may follow a header.
    """
    if ended and not text.endswith(b"\n"):
        return False
    text = text.rstrip()
    begin = text.rfind(b"\n") + 1
    if begin == 0 and len(text) > HEADER_BYTES // 2:
        return True
    return text[begin : begin + 1] == b">" and text[begin + 1 :].split()[:1] == [name.encode()]


def _is_end(text: bytes, bases: int, *, last: bool) -> bool:
    """Whether text begins with this many bases and a line end, followed by a header or, if `last`, by nothing."""
    rest = text[bases:]
    behind = rest.lstrip()
    ended = not behind if last else behind.startswith(b">")
    return ended and len(text[:bases].strip()) == bases and (not bases or not rest or len(behind) < len(rest))


def _system_error(error: BaseException) -> OSError | None:
    """Return the system error that caused an error of pyfaidx, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _stamp(state: os.stat_result) -> tuple[int, int]:
    """Return size and modification time, which change when a file is written."""
    return state.st_size, state.st_mtime_ns
