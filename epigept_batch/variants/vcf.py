"""Read VCF and BCF, and write VCF with one more INFO field."""

from __future__ import annotations

import os
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from epigept_batch.bounds import bounded_lines, open_gzip
from epigept_batch.errors import DeviceError, InputError, one_line, reason
from epigept_batch.variants.variant import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

GZIP = b"\x1f\x8b"
BGZIP_HEAD, BGZIP_MARK = 14, b"BC"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""How many bytes show that a gzip file is bgzip, the last two of them, and the empty block at the end (SAMv1, 4.1)."""
BCF = b"BCF"
VCF = b"##fileformat=VCF"
INFO = 7
"""Index of the column INFO of VCF."""
NAMES_SHOWN = 5


def is_vcf(path: Path) -> bool:
    """Whether a file is VCF or BCF, by its first bytes.

    Raises:
        InputError: It cannot be read, or is a pipe or device, which can be read only once.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError("a pipe or device, which cannot be read twice; provide a regular file", path)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(VCF))
            if head.startswith(GZIP):
                stream.seek(0)
                head = open_gzip(stream, path).read(len(VCF))
    except FileNotFoundError as error:
        raise InputError("variant file does not exist", path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(error, path) from error
    if not head:
        raise InputError("empty file; provide a VCF, BCF or table of variants", path)
    return head.startswith(BCF) or head == VCF


class Records:
    """The records of an open VCF or BCF, as pysam returns them.

    Attributes:
        header: The header, as pysam returns it.
    """

    def __init__(self, file: Any, path: Path) -> None:  # noqa: ANN401 - pysam is untyped
        self.header = file.header
        self._file, self._path = file, path

    def __iter__(self) -> Iterator[Any]:
        number = 0
        try:
            for record in self._file:
                number += 1
                yield record
        except (ValueError, OSError) as error:
            raise InputError(
                f"record {number + 1:,} after the header cannot be read ({_words(error)}); fix it, or copy the file "
                "again if it is truncated",
                self._path,
            ) from error


@contextmanager
def open_vcf(path: Path) -> Iterator[Records]:
    """Open a VCF or BCF.

    Raises:
        InputError: The header or a record cannot be read, or the file is truncated.
        DeviceError: pysam is not installed.
    """
    with _opened(path) as file:
        yield Records(file, path)


@contextmanager
def open_genotypes(path: Path, sample: str | None) -> Iterator[tuple[str, Records]]:
    """Open a VCF or BCF for the genotypes of one sample; provides its name, and records that have only this sample.

    Args:
        path: The file.
        sample: Name of the sample; None if the file has only one.

    Raises:
        InputError: As `open_vcf`; it is another kind of file, has no genotypes, or does not have that sample.
        DeviceError: pysam is not installed.
    """
    if not is_vcf(path):
        raise InputError("not a VCF or BCF; genotypes can only be read from these", path)
    with _opened(path) as file:
        name = _chosen(list(file.header.samples), sample, path)
        if "GT" not in file.header.formats:
            raise InputError("no genotypes: its header does not define the format GT; use a VCF with genotypes", path)
        file.subset_samples([name])
        yield name, Records(file, path)


def _check_end(path: Path) -> None:
    """Check that a bgzip file ends with its end marker: htslib reads one that ends between two blocks as if complete.

    Raises:
        InputError: It does not.
    """
    with path.open("rb") as stream:
        head = stream.read(BGZIP_HEAD)
        stream.seek(max(stream.seek(0, os.SEEK_END) - len(BGZIP_END), 0))
        end = stream.read()
    if head.startswith(GZIP) and head[-2:] == BGZIP_MARK and end != BGZIP_END:
        raise InputError("truncated: the end marker of bgzip is missing; copy or make the file again", path)


def _chosen(names: Sequence[str], wanted: str | None, path: Path) -> str:
    """Return the name of the sample whose genotypes are read.

    Raises:
        InputError: There is no such sample, or there are several to choose from.
    """
    shown = ", ".join(names[:NAMES_SHOWN]) + (f" and {len(names) - NAMES_SHOWN:,} more" * (len(names) > NAMES_SHOWN))
    if not names:
        raise InputError("no genotypes: it has no samples; use a VCF with the genotypes of a sample", path)
    if wanted is None and len(names) > 1:
        raise InputError(f"{len(names):,} samples ({shown}); choose one with --vcf-sample", path)
    if wanted is not None and wanted not in names:
        raise InputError(f"no sample '{wanted}'; --vcf-sample must be one of {shown}", path)
    return names[0] if wanted is None else wanted


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a VCF or BCF with pysam, and raise its errors as ours."""
    pysam = _pysam(path)
    _check_end(path)
    before = pysam.set_verbosity(0)  # htslib prints warnings of its own
    try:
        with pysam.VariantFile(str(path)) as file:
            yield file
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be read as VCF or BCF: {_words(error)}", path) from error
    finally:
        pysam.set_verbosity(before)


def _pysam(path: Path) -> Any:  # noqa: ANN401 - a module
    """Return pysam, which is not installed with every extra.

    Raises:
        DeviceError: It is not installed.
    """
    try:
        import pysam
    except ImportError as error:
        raise DeviceError(
            "VCF and BCF require pysam; install it with: pip install 'epigept-batch[variants]'", path
        ) from error
    return pysam


def _words(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) and error.errno else one_line(str(error))


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file, plain or gzip, without line ends, and their numbers from 1.

    Raises:
        InputError: It cannot be read, is truncated, or is not text.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.read(len(GZIP)) == GZIP
            stream.seek(0)
            source = open_gzip(stream, path) if packed else stream
            for number, line in enumerate(bounded_lines(source, path), 1):
                try:
                    yield number, line.decode().rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise InputError(
                        "not text; provide a VCF, BCF or a table with columns chrom, pos, ref and alt", path, number
                    ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(error, path) from error


def _unreadable(error: Exception, path: Path) -> InputError:
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"cannot be read: {reason(error)}", path)
    return InputError("damaged or truncated gzip file; copy or make the file again", path)


def check_not_annotated(path: Path, key: str) -> None:
    """Check that a file is a VCF or BCF without an INFO field of a name.

    Raises:
        InputError: It is not.
    """
    if not is_vcf(path):
        raise InputError("not a VCF, so it cannot be annotated; use an --out that ends in .tsv or .parquet", path)
    header, _ = _text(path)
    if any(line.startswith(f"##INFO=<ID={key},") for line in header):
        raise InputError(f"has an INFO field {key} already; use the file without it", path)


def write_annotated(
    source: Path,
    path: Path,
    values: Iterable[Sequence[str]],
    *,
    key: str,
    description: str,
    first: int,
    packed: bool,
) -> None:
    """Write records of a VCF with one more INFO field; the rest of each line stays as it is.

    Args:
        source: VCF or BCF.
        path: The file to write.
        values: Values of the field, for each record from the first one on.
        key: Name of the field.
        description: What it contains.
        first: Number of the first record to write, from 0.
        packed: Compress the file with bgzip.

    Raises:
        InputError: The source cannot be read.
        DeviceError: pysam is not installed.
    """
    header, records = _text(source)
    definition = f'##INFO=<ID={key},Number=.,Type=String,Description="{description}">'
    with _text_writer(path, packed=packed) as write:
        for line in (*header[:-1], definition, header[-1]):
            write(line)
        for line, of_record in zip(islice(records, first, None), values, strict=False):
            fields = line.split("\t")
            info = f"{key}={','.join(of_record)}"
            fields[INFO] = info if fields[INFO] == MISSING else f"{fields[INFO]};{info}"
            write("\t".join(fields))


def _text(path: Path) -> tuple[list[str], Iterator[str]]:
    """Return the header lines of a VCF or BCF, and its records as lines of VCF."""
    with path.open("rb") as stream:
        packed = stream.read(len(GZIP)) == GZIP
        stream.seek(0)
        is_bcf = (open_gzip(stream, path) if packed else stream).read(len(BCF)) == BCF
    if is_bcf:
        with open_vcf(path) as records:
            header = str(records.header).splitlines()
        return header, _bcf_lines(path)
    text = (line for _, line in lines(path))
    header = []
    for line in text:
        header.append(line)
        if not line.startswith("##"):
            break
    return header, text


def _bcf_lines(path: Path) -> Iterator[str]:
    with open_vcf(path) as records:
        for record in records:
            yield str(record).rstrip("\n")


@contextmanager
def _text_writer(path: Path, *, packed: bool) -> Iterator[Callable[[str], object]]:
    """Provide a function that writes a line."""
    if not packed:
        with path.open("wb") as stream:
            yield lambda line: stream.write(f"{line}\n".encode())
        return
    with _pysam(path).BGZFile(str(path), "w") as file:
        yield lambda line: file.write(f"{line}\n".encode())
