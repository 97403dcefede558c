"""Read variants from VCF, BCF or a table."""

from __future__ import annotations

import csv
import re
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from epigept_batch.bounds import bounded_lines, open_gzip
from epigept_batch.errors import DeviceError, InputError, one_line, reason
from epigept_batch.variants.variant import MISSING, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

GZIP = b"\x1f\x8b"
BCF = b"BCF"
VCF = b"##fileformat=VCF"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "chrom": ("chrom", "chr", "chromosome", "contig", "seqnames"),
    "pos": ("pos", "position"),
    "ref": ("ref", "reference", "reference_allele"),
    "alt": ("alt", "alternative", "alternate", "alternative_allele"),
    "id": ("id", "rsid", "variant_id", "snp"),
}
"""Names of the columns of a table, in any case, without a leading `#`."""
NEEDED = ("chrom", "pos", "ref", "alt")
INFO = 7
"""Index of the column INFO of VCF."""
PLAIN_NUMBER = re.compile(r"[0-9]{1,12}")


def read_variants(path: Path) -> Iterator[Variant]:
    """Yield the variants of a file, in its order.

    Args:
        path: VCF, bgzip-compressed VCF or BCF; or a table with a header line and columns chrom, pos (1-based), ref and
            alt, tab- or comma-separated, which may be gzip-compressed.

    Raises:
        InputError: It cannot be read, is neither, or is damaged.
    """
    if _is_vcf(path):
        with open_vcf(path) as records:
            for number, record in enumerate(records):
                yield variant_of(record, number)
    else:
        yield from _read_table(path)


def variant_of(record: Any, number: int) -> Variant:  # noqa: ANN401 - pysam is untyped
    """Return a record of `open_vcf` as a variant."""
    return Variant(number, record.chrom, record.pos - 1, record.id or MISSING, record.ref, record.alts or ())


def _is_vcf(path: Path) -> bool:
    """Whether a file is VCF or BCF, by its first bytes.

    Raises:
        InputError: It cannot be read.
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
    pysam = _pysam(path)
    before = pysam.set_verbosity(0)  # htslib prints warnings of its own
    try:
        with pysam.VariantFile(str(path)) as file:
            yield Records(file, path)
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


def _read_table(path: Path) -> Iterator[Variant]:
    """Yield the variants of a table with a header line."""
    number, columns, delimiter = 0, None, "\t"
    for line_number, line in _lines(path):
        if not line.strip() or (columns is None and line.startswith("##")):
            continue
        if columns is None:
            delimiter = "\t" if "\t" in line else ","
            columns = _columns(_split(line, delimiter), path, line_number)
            continue
        fields = _split(line, delimiter)
        if len(fields) <= max(columns.values()):
            raise InputError(
                f"{len(fields)} fields, but the header has more; fix or remove this line", path, line_number
            )
        yield _variant(fields, columns, number, path, line_number)
        number += 1
    if columns is None:
        raise InputError("no header line; provide a VCF, BCF or a table with columns chrom, pos, ref and alt", path)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
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


def _split(line: str, delimiter: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]


def _columns(header: Sequence[str], path: Path, line: int) -> dict[str, int]:
    """Return the index of each column that is there.

    Raises:
        InputError: A column is missing, or there twice.
    """
    names = [name.lstrip("#").lower() for name in header]
    found: dict[str, int] = {}
    for column, aliases in COLUMNS.items():
        places = [place for place, name in enumerate(names) if name in aliases]
        if len(places) > 1:
            raise InputError(f"two columns for {column}: {', '.join(header[place] for place in places)}", path, line)
        if places:
            found[column] = places[0]
    lacking = [column for column in NEEDED if column not in found]
    if lacking:
        raise InputError(
            f"no column {', '.join(lacking)} in the header; provide a VCF (first line ##fileformat=VCF…) or a table "
            "with columns chrom, pos, ref and alt",
            path,
            line,
        )
    return found


def _variant(fields: Sequence[str], columns: Mapping[str, int], number: int, path: Path, line: int) -> Variant:
    contig, written, ref, alt = (fields[columns[name]] for name in NEEDED)
    if not PLAIN_NUMBER.fullmatch(written):
        raise InputError(f"position '{written[:20]}' is not a whole number; positions are 1-based", path, line)
    if not contig or not ref or not alt:
        raise InputError("empty chrom, ref or alt; use . for no alternative allele", path, line)
    name = fields[columns["id"]] if "id" in columns else MISSING
    alts = () if alt == MISSING else tuple(alt.split(","))
    return Variant(number, contig, int(written) - 1, name or MISSING, ref, alts)


def check_not_annotated(path: Path, key: str) -> None:
    """Check that a file is a VCF or BCF without an INFO field of a name.

    Raises:
        InputError: It is not.
    """
    if not _is_vcf(path):
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
    lines = (line for _, line in _lines(path))
    header = []
    for line in lines:
        header.append(line)
        if not line.startswith("##"):
            break
    return header, lines


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
