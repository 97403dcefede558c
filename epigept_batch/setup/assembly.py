"""Turns a genome that is plain, gzip or bgzip into a plain FASTA, and checks its assembly."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from epigept_batch.assemblies import names_of
from epigept_batch.bounds import GZIP_MAGIC
from epigept_batch.errors import InputError, OutputError, reason
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from epigept_batch.progress import Progress

BLOCK = 4 << 20
LONGEST_HEADER = 1 << 20
DAMAGE = (EOFError, OSError, zlib.error)
"""Errors of reading damaged gzip; gzip.BadGzipFile is an OSError."""


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
    """Unpack gzip as a stream, and compare its checksums.

    Args:
        packed: A gzip file of one member or many (bgzip).
        plain: The file to write.
        progress: Receives the bytes read from `packed`.

    Raises:
        InputError: The gzip file is damaged or truncated.
        OutputError: The plain file cannot be written.
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
        raise OutputError(f"cannot be written: {error.strerror}; free some space and rerun", plain) from error


def _next_block(stream: gzip.GzipFile, packed: Path) -> bytes:
    try:
        return stream.read(BLOCK)
    except DAMAGE as error:
        raise _damaged(error, packed) from error


def _damaged(error: Exception, packed: Path) -> InputError:
    return InputError(f"damaged gzip ({error}); provide an intact file with --genome", packed)


def read_contigs(genome: Path) -> tuple[Contig, ...]:
    """Read the contigs of a plain or compressed FASTA in one pass: takes seconds, where an index takes a minute.

    Raises:
        InputError: It cannot be read, is damaged, or is not a FASTA.
    """
    contigs = tuple(_contigs(_blocks_of_lines(genome)))
    if not contigs:
        raise InputError("not a FASTA, because no line begins with >; provide another file with --genome", genome)
    return contigs


def _contigs(blocks: Iterable[bytes]) -> Iterator[Contig]:
    name, length = None, 0
    for block in blocks:
        rest, *records = (b"\n" + block).split(b"\n>")
        length += _bases(rest)
        for record in records:
            if name is not None:
                yield Contig(name, length)
            header, _, rest = record.partition(b"\n")
            name, length = b"".join(header.split()[:1]).decode(errors="replace"), _bases(rest)
    if name is not None:
        yield Contig(name, length)


def _bases(lines: bytes) -> int:
    return len(lines) - lines.count(b"\n") - lines.count(b"\r")


def _blocks_of_lines(genome: Path) -> Iterator[bytes]:
    """Yield the content of a file in blocks that end with a line, unless the line is longer than any header."""
    packed = is_packed(genome)
    try:
        with gzip.open(genome, "rb") if packed else genome.open("rb") as stream:
            while block := stream.read(BLOCK) + stream.readline(LONGEST_HEADER):
                yield block
    except DAMAGE as error:
        if packed or not isinstance(error, OSError):
            raise _damaged(error, genome) from error
        raise InputError(f"genome cannot be read: {reason(error)}", genome) from error


def check_assembly(contigs: Iterable[Contig], expected: Mapping[str, int], genome: str) -> None:
    """Check that a genome is of the required assembly.

    Args:
        contigs: Its contigs.
        expected: Lengths in bp by name; the genome may have Ensembl's names, without `chr`, or NCBI's accessions.
        genome: Its location, for the message.

    Raises:
        InputError: A contig is missing or has another length.
    """
    contigs = tuple(contigs)
    lengths = {name: contig.length for contig in contigs for name in names_of(contig)}
    lengths |= {contig.name: contig.length for contig in contigs}
    advice = "use --genome to provide the assembly that the network was trained on"
    for name, length in expected.items():
        found = lengths.get(name)
        if found is None:
            raise InputError(
                f"no contig {name}; {advice}. For a part of a genome, skip setup: make the model with epigept-export "
                "convert, and pass --fasta and --model to genome",
                genome,
            )
        if found != length:
            raise InputError(f"wrong assembly: {name} has {found:,} bp instead of {length:,}; {advice}", genome)
