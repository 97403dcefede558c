"""A genome as it comes, plain, gzip or bgzip, to a plain FASTA of the assembly that is wanted."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from epigept_batch.progress import Progress
    from epigept_batch.tiling import Contig

BLOCK = 4 << 20
GZIP_MAGIC = b"\x1f\x8b"


def is_packed(path: Path) -> bool:
    """Whether a file is gzip or bgzip.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    except OSError as error:
        raise InputError(f"genome cannot be read: {error.strerror}", path) from error


def unpack(packed: Path, plain: Path, progress: Progress) -> None:
    """Unpack gzip, as a stream; its checksums are compared.

    Args:
        packed: Of one member or many (bgzip).
        plain: The file to write.
        progress: Told of every byte of `packed`.

    Raises:
        InputError: It is damaged or cut short.
        OutputError: It cannot be written.
    """
    progress.start(packed.stat().st_size)
    try:
        with packed.open("rb") as raw, gzip.GzipFile(fileobj=raw, mode="rb") as stream, plain.open("wb") as out:
            told = 0
            while block := _next_block(stream, packed):
                out.write(block)
                progress.advance(raw.tell() - told)
                told = raw.tell()
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}; make room and run again", plain) from error


def _next_block(stream: gzip.GzipFile, packed: Path) -> bytes:
    try:
        return stream.read(BLOCK)
    except (EOFError, OSError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise InputError(f"is damaged gzip ({error}); give a whole file by --genome", packed) from error


def check_assembly(contigs: Iterable[Contig], expected: Mapping[str, int], genome: str) -> None:
    """See that a genome is of the assembly that is wanted.

    Args:
        contigs: What it has.
        expected: Lengths in bp by name; `chr` may be missing from the genome's names, as in Ensembl's.
        genome: Where it comes from, for the message.

    Raises:
        InputError: A contig is missing or has another length.
    """
    lengths = {contig.name: contig.length for contig in contigs}
    advice = "give the assembly that the network was trained on by --genome"
    for name, length in expected.items():
        found = lengths.get(name, lengths.get(name.removeprefix("chr")))
        if found is None:
            raise InputError(f"has no contig {name}; {advice}", genome)
        if found != length:
            raise InputError(f"is another assembly: {name} has {found:,} bp instead of {length:,}; {advice}", genome)
