"""Recognise which program wrote a table, and what its columns are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.expression.column_names import (
    describes_genes,
    is_near_tpm,
    is_of_counts,
    names_counts,
    names_no_sample,
    why_no_tpm,
)
from epigept_batch.expression.columns import find_columns, find_samples, pick
from epigept_batch.expression.grid import find_grid
from epigept_batch.expression.long_tables import find_key
from epigept_batch.expression.turned_tables import find_turned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from epigept_batch.expression.columns import Columns
    from epigept_batch.expression.grid import Grid
    from epigept_batch.expression.tables import TextTable
    from epigept_batch.expression.turned_tables import Turned

NAMES_SHOWN, COLUMNS_SHOWN = 5, 20
GCT, GCT_HEADER = ("#1.2", "#1.3"), 2
TPM = frozenset({"tpm", "tpm_unstranded"})
LIKE_TPM = ("adjtpm", "ptpm", "ntpm")
"""Read if there is no TPM column: isofox has adjTPM and RawTPM; the Human Protein Atlas has pTPM and nTPM of coding
genes."""
NORMALISED = "quantile_normalised_tpm"
FPKM = frozenset({"fpkm", "rpkm"})
FEATURE_COUNTS = frozenset({"geneid", "chr", "start", "end", "strand", "length"})
STRINGTIE = frozenset({"gene id", "coverage", "tpm"})
"""Columns of StringTie's gene abundances (-A), with one row per locus."""
PROGRAMS: dict[str, AbstractSet[str]] = {
    "RSEM": {"expected_count", "effective_length", "tpm"},
    "salmon": {"effectivelength", "numreads", "tpm"},
    "kallisto": {"target_id", "est_counts", "tpm"},
    "StringTie": STRINGTIE,
    "isofox": {"geneid", "adjtpm", "rawtpm"},
    "GDC": {"gene_type", "unstranded", "tpm_unstranded"},
    "vector of epigept-batch": {"found_as", "tpm", NORMALISED},
}
COUNTS = frozenset({"count", "counts", "expected_count", "est_counts", "numreads", "reads", "read_count", "raw_count"})
TRANSCRIPTS = frozenset(
    {"transcript", "transcript_id", "transcript_name", "tx", "tx_id", "txname", "t_name", "isoform_id"}
)


class Unit(Enum):
    """What the values of a table are, according to the table."""

    TPM = "TPM"
    FPKM = "FPKM"
    COUNTS = "counts and lengths"


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        format: The program or form of such tables, as users read it.
        separator: Character between columns.
        header: Names of the columns.
        skip: Lines before the first row.
        unit: What the values are.
        values: Columns of values, one per sample.
        names: Names of the samples; None for the single sample of a file.
        ids: Columns that may hold gene ids; the first may hold transcript ids.
        transcripts: Column that holds transcripts, according to its name.
        lengths: Column of gene lengths, for counts.
        rows: How many rows the table declares.
        left_out: Numeric columns that are not treated as samples.
        empty: Columns without a value in any row.
        width: Number of fields in most rows.
        key: Column that names each row's sample, in a long table.
        turned: Genes and samples, if rows are samples.
        loci: Whether rows are loci; one gene may have several.
        places: Column with the chromosomes of loci.
    """

    format: str
    separator: str
    header: tuple[str, ...]
    skip: int
    unit: Unit
    values: tuple[int, ...]
    names: tuple[str | None, ...]
    ids: tuple[int, ...]
    transcripts: int | None = None
    lengths: int | None = None
    rows: int | None = None
    left_out: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    width: int = 0
    key: int | None = None
    turned: Turned | None = None
    loci: bool = False
    places: int | None = None


def recognise(table: TextTable, *, normalised: bool = False, wanted: Sequence[str] = ()) -> Layout:
    """Recognise a table's columns from its first lines.

    Formats: RSEM and ENCODE, salmon, kallisto, StringTie and GDC (a column of TPM), cufflinks (FPKM), featureCounts
    (counts and lengths), GCT 1.2 and 1.3, matrices of genes × samples or samples × genes, and long tables.

    Args:
        table: Its first lines.
        normalised: Whether to read quantile-normalised values; an epigept-batch vector has a column of them.
        wanted: Names of samples that a user picks; columns with these names are samples, whatever their values.

    Raises:
        InputError: The table has no values, no header, or values that cannot be converted to TPM.
    """
    version = _gct_version(table)
    if version:
        return _gct(table, version)
    grid = find_grid(table)
    if (turned := find_turned(grid)) is not None:
        return _samples_as_rows(grid, turned)
    columns = find_columns(grid)
    picked = [number for number in pick(columns, wanted) if columns.header[number].lower() not in TPM]
    try:
        layout = _by_columns(columns, normalised=normalised)
    except InputError:
        if not picked:
            raise
        layout = _layout(columns, "matrix", Unit.TPM, picked, columns.of(picked))
    else:
        layout = _with_picked(columns, layout, picked)
    return _with_key(columns, layout)


def _by_columns(columns: Columns, *, normalised: bool) -> Layout:
    tpm, fpkm = _of_tpm(columns), columns.named(*FPKM)
    if normalised and (own := columns.named(NORMALISED)):
        tpm = own
    if len(tpm) > 1:
        raise InputError("several TPM columns; provide a table with one", columns.grid.table.path)
    if tpm:
        if columns.names_of_r >= STRINGTIE:
            places = next(iter(columns.named("reference")), None)
            return _layout(columns, "StringTie", Unit.TPM, tpm, [None], loci=True, places=places)
        program = next((name for name, marks in PROGRAMS.items() if marks <= columns.names), None)
        left_out = () if program else columns.of(set(columns.candidates) - set(tpm))
        return _layout(columns, program or "table with TPM", Unit.TPM, tpm, [None], left_out=left_out)
    if columns.names >= FEATURE_COUNTS:
        return _feature_counts(columns)
    _check_program(columns)
    if len(fpkm) > 1:
        raise InputError("several FPKM columns; provide a table with one, or with TPM", columns.grid.table.path)
    if fpkm:
        return _layout(columns, "table with FPKM", Unit.FPKM, fpkm, [None])
    return _matrix(columns, "matrix")


def _of_tpm(columns: Columns) -> list[int]:
    """Return the TPM columns, else those that a program writes instead."""
    exact = columns.named(*TPM)
    others = (columns.named(name) for name in LIKE_TPM)
    return exact or next((numbers for numbers in others if numbers and columns.numeric.issuperset(numbers)), [])


def _layout(
    columns: Columns,
    program: str,
    unit: Unit,
    values: Sequence[int],
    names: Sequence[str | None],
    **others: Any,  # noqa: ANN401 - further attributes of a layout
) -> Layout:
    """Return a layout with these columns."""
    grid = columns.grid
    return Layout(
        format=program,
        separator=grid.separator,
        header=grid.header,
        skip=grid.skip,
        width=grid.width,
        unit=unit,
        values=tuple(values),
        names=tuple(names),
        ids=columns.ids(values),
        lengths=next(iter(columns.named("length")), None) if unit is Unit.COUNTS else None,
        transcripts=next(iter(columns.named(*TRANSCRIPTS)), None),
        empty=columns.of(n for n in columns.empty if grid.header[n] and not describes_genes(grid.header[n])),
        **others,
    )


def _with_picked(columns: Columns, layout: Layout, picked: Sequence[int]) -> Layout:
    """Return a layout in which the columns that a user names are samples too, under these names."""
    names = dict(zip(layout.values, layout.names, strict=True))
    if layout.unit is Unit.COUNTS or {columns.header[number] for number in picked}.issubset(layout.names):
        return layout
    names.update({number: columns.header[number] for number in picked})
    left_out = tuple(name for name in layout.left_out if name not in columns.of(picked))
    ids = tuple(number for number in layout.ids if number not in names)
    return replace(layout, values=tuple(names), names=tuple(names.values()), ids=ids, left_out=left_out)


def _with_key(columns: Columns, layout: Layout) -> Layout:
    """Return a layout in which a column names the samples, if the table is a long one."""
    if len(layout.values) != 1 or layout.unit is Unit.COUNTS:
        return layout
    key = find_key(columns, layout.ids, layout.transcripts)
    if key is None:
        return layout
    ids = tuple(number for number in layout.ids if number != key.column)
    return replace(
        layout,
        format=f"{layout.format}, one row per gene and {columns.header[key.column]}",
        names=key.samples,
        ids=ids,
        key=key.column,
    )


def _samples_as_rows(grid: Grid, turned: Turned) -> Layout:
    return Layout(
        format="matrix, samples as rows",
        separator=grid.separator,
        header=grid.header,
        skip=grid.skip,
        width=grid.width,
        unit=Unit.TPM,
        values=turned.genes,
        names=turned.samples,
        ids=(turned.column,),
        turned=turned,
    )


def _check_program(columns: Columns) -> None:
    """Refuse a table without a TPM column from a program that writes one, unless it has FPKM and no misspelt TPM.

    Otherwise its other numeric columns, such as lengths, would be treated as samples.
    """
    program = next((name for name, marks in PROGRAMS.items() if marks - TPM <= columns.names), None)
    near = [name for name in columns.header if is_near_tpm(name)]
    if program is None or (columns.named(*FPKM) and not near):
        return
    hint = f"if '{near[0]}' holds TPM, rename it to TPM" if near else "provide a table with a TPM column"
    shown = _shown(columns.header, most=COLUMNS_SHOWN)
    raise InputError(f"no TPM column (table format: {program}, columns: {shown}); {hint}", columns.grid.table.path)


def _gct_version(table: TextTable) -> str:
    """Return the version mark (#1.2 or #1.3) of the first line, without the separators that spreadsheets append."""
    version = table.head[0].strip(' \t,;"')
    return version if version in GCT else ""


def _gct(table: TextTable, version: str) -> Layout:
    """Read the layout of a Broad Institute GCT: version, dimensions, header, column descriptions (1.3 only), genes."""
    try:
        sizes = [int(size) for size in re.split(r"[\s,;]+", table.head[1].strip(" \t,;"))]
        genes, samples, row_fields, column_fields = [*sizes, 1, 0] if version == "#1.2" else sizes
    except (IndexError, ValueError) as error:
        raise InputError(f"no valid dimensions line, which GCT {version[1:]} requires", table.path, 2) from error
    if len(table.head) <= GCT_HEADER:
        raise InputError("ends before its header line", table.path)
    columns = find_columns(find_grid(table, header_line=GCT_HEADER, rows_after=1 + column_fields))
    if len(columns.header) == 1 + row_fields + samples + 1 and columns.header[0].lower() == "id":
        row_fields += 1  # as in GTEx files of single tissues: id, Name, Description
    if len(columns.header) != 1 + row_fields + samples:
        raise InputError(
            f"{len(columns.header)} columns, but the dimensions line says {1 + row_fields + samples}", table.path, 3
        )
    values = range(1 + row_fields, len(columns.header))
    names = _sample_names(columns, [columns.header[number] for number in values])
    return _layout(columns, f"GCT {version[1:]}", Unit.TPM, values, names, rows=genes)


def _feature_counts(columns: Columns) -> Layout:
    """Read the layout of Subread's featureCounts: columns that describe genes, up to Length, then counts per file."""
    after = columns.named("length")[0] + 1
    values = [number for number in range(after, len(columns.header)) if number in columns.numeric]
    if not values:
        raise InputError("no count column after Length", columns.grid.table.path)
    names = _alignment_names([columns.header[number] for number in values])
    return _layout(columns, "featureCounts", Unit.COUNTS, values, names)


def _alignment_names(paths: Sequence[str]) -> list[str]:
    """Return the names of alignment files, or of their folders if the files share a name (s1/Aligned.out.bam)."""
    pieces = [re.sub(r"\.(bam|sam|cram)$", "", path).split("/") for path in paths]
    deepest = min(map(len, pieces))
    levels = ([piece[-level] for piece in pieces] for level in range(1, deepest + 1))
    return next((names for names in levels if len(set(names)) == len(names)), list(paths))


def _matrix(columns: Columns, program: str) -> Layout:
    """Read the layout of a matrix of genes × samples: every numeric column that may be a sample."""
    path = columns.grid.table.path
    if not columns.candidates:
        raise InputError(_no_values(columns, sorted(columns.numeric - {0})), path)
    samples = find_samples(columns)
    header = [columns.header[number] for number in samples.values]
    if len(header) == 1 and (why := why_no_tpm(header[0])) is not None:
        raise InputError(why, path)
    if len(header) > 1 and all(map(names_counts, header)):
        raise InputError(_of_counts(header), path)
    unit = Unit.FPKM if samples.unit == "FPKM" else Unit.TPM
    return _layout(
        columns, program, unit, samples.values, _sample_names(columns, samples.names), left_out=samples.left_out
    )


def _no_values(columns: Columns, numbers: Sequence[int]) -> str:
    counts = [columns.header[n] for n in numbers if is_of_counts(columns.header[n])]
    if counts:
        return _of_counts(counts)
    return (
        f"no TPM column and no numeric column of a sample (columns: {_shown(columns.header)}); provide a gene-level "
        "table with a TPM column"
    )


def _of_counts(names: Sequence[str]) -> str:
    return f"counts ({_shown(names)}) but no TPM column; provide TPM, because counts depend on gene length"


def _sample_names(columns: Columns, names: Sequence[str]) -> Sequence[str | None]:
    if len(names) == 1 and names_no_sample(names[0]):
        return [None]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise InputError(f"two samples named {twice!r}; give each column a different name", columns.grid.table.path)
    return names


def _shown(names: Sequence[str], *, most: int = NAMES_SHOWN) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
