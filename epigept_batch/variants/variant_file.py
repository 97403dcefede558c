"""Read variants from VCF, BCF or a table."""

from __future__ import annotations

import csv
import os
import re
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from epigept_batch.bounds import bounded_lines, open_gzip
from epigept_batch.errors import DeviceError, InputError, one_line, reason
from epigept_batch.variants.variant import MISSING, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

GZIP = b"\x1f\x8b"
BGZIP_HEAD, BGZIP_MARK = 14, b"BC"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""How many bytes show that a gzip file is bgzip, the last two of them, and the empty block at the end (SAMv1, 4.1)."""
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
NAMES_SHOWN = 5
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
        InputError: It cannot be read, or is a pipe or device, which can be read only once.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError("is a pipe or device; use a regular file", path)
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


@contextmanager
def open_vcf(path: Path) -> Iterator[Iterator[Any]]:
    """Open a VCF or BCF; provides its records, as pysam returns them.

    Raises:
        InputError: The header or a record cannot be read, or the file is truncated.
        DeviceError: pysam is not installed.
    """
    with _opened(path) as file:
        yield _records(file, path)


@contextmanager
def open_genotypes(path: Path, sample: str | None) -> Iterator[tuple[str, Iterator[Any]]]:
    """Open a VCF or BCF for the genotypes of one sample; provides its name, and records that have only this sample.

    Args:
        path: The file.
        sample: Name of the sample; None if the file has only one.

    Raises:
        InputError: As `open_vcf`; it is another kind of file, has no genotypes, or does not have that sample.
        DeviceError: pysam is not installed.
    """
    if not _is_vcf(path):
        raise InputError("not a VCF or BCF; genotypes can only be read from these", path)
    _check_end(path)
    with _opened(path) as file:
        name = _chosen(list(file.header.samples), sample, path)
        if "GT" not in file.header.formats:
            raise InputError("no genotypes: its header does not define the format GT; use a VCF with genotypes", path)
        file.subset_samples([name])
        yield name, _records(file, path)


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
    try:
        import pysam
    except ImportError as error:
        raise DeviceError(
            "VCF and BCF require pysam; install it with: pip install 'epigept-batch[variants]'", path
        ) from error
    before = pysam.set_verbosity(0)  # htslib prints warnings of its own
    try:
        with pysam.VariantFile(str(path)) as file:
            yield file
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be read as VCF or BCF: {_words(error)}", path) from error
    finally:
        pysam.set_verbosity(before)


def _records(file: Any, path: Path) -> Iterator[Any]:  # noqa: ANN401 - pysam is untyped
    number = 0
    try:
        for record in file:
            number += 1
            yield record
    except (ValueError, OSError) as error:
        raise InputError(
            f"record {number + 1:,} after the header cannot be read ({_words(error)}); fix it, or copy the file again "
            "if it is truncated",
            path,
        ) from error


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
