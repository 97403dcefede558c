"""Read variants from VCF, BCF or a table."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.variants.variant import MISSING, Variant
from epigept_batch.variants.vcf import is_vcf, lines, open_vcf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "chrom": ("chrom", "chr", "chromosome", "contig", "seqnames"),
    "pos": ("pos", "position"),
    "ref": ("ref", "reference", "reference_allele"),
    "alt": ("alt", "alternative", "alternate", "alternative_allele"),
    "id": ("id", "rsid", "variant_id", "snp"),
}
"""Names of the columns of a table, in any case, without a leading `#`."""
NEEDED = ("chrom", "pos", "ref", "alt")
PLAIN_NUMBER = re.compile(r"[0-9]{1,12}")


def read_variants(path: Path) -> Iterator[Variant]:
    """Yield the variants of a file, in its order.

    Args:
        path: VCF, bgzip-compressed VCF or BCF; or a table with a header line and columns chrom, pos (1-based), ref and
            alt, tab- or comma-separated, which may be gzip-compressed.

    Raises:
        InputError: It cannot be read, is neither, or is damaged.
    """
    if is_vcf(path):
        with open_vcf(path) as records:
            for number, record in enumerate(records):
                yield variant_of(record, number)
    else:
        yield from _read_table(path)


def variant_of(record: Any, number: int) -> Variant:  # noqa: ANN401 - pysam is untyped
    """Return a record of `open_vcf` as a variant."""
    return Variant(number, record.chrom, record.pos - 1, record.id or MISSING, record.ref, record.alts or ())


def _read_table(path: Path) -> Iterator[Variant]:
    """Yield the variants of a table with a header line."""
    number, columns, delimiter = 0, None, "\t"
    for line_number, line in lines(path):
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
