"""Which program wrote a table, and what its columns are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.inputs.expression.column_names import is_near_tpm, names_no_sample, why_no_tpm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.inputs.expression.tables import TextTable

NAMES_SHOWN, COLUMNS_SHOWN = 5, 20
SHARE_OF_NUMBERS = 0.5
"""A column of a matrix is a sample where at least so much of its first values are numbers."""

GCT, GCT_HEADER = ("#1.2", "#1.3"), 2
TPM = frozenset({"tpm", "tpm_unstranded"})
NORMALISED = "quantile_normalised_tpm"
FPKM = frozenset({"fpkm", "rpkm"})
FEATURE_COUNTS = frozenset({"geneid", "chr", "start", "end", "strand", "length"})
PROGRAMS = {
    "RSEM": {"expected_count", "effective_length", "tpm"},
    "salmon": {"effectivelength", "numreads", "tpm"},
    "kallisto": {"target_id", "est_counts", "tpm"},
    "StringTie": {"gene id", "coverage", "tpm"},
    "GDC": {"gene_type", "unstranded", "tpm_unstranded"},
    "vector of epigept-batch": {"found_as", "tpm", NORMALISED},
}
COUNTS = frozenset({"count", "counts", "expected_count", "est_counts", "numreads", "reads", "read_count", "raw_count"})
ANNOTATION = (
    FEATURE_COUNTS
    | FPKM
    | COUNTS
    | frozenset(
        {"chromosome", "seqnames", "width", "gene_length", "effective_length", "eff_length", "effectivelength"}
        | {
            "exon_count",
            "entrez",
            "entrezid",
            "entrez_id",
            "entrezgene",
            "ncbi_gene_id",
            "hgnc_id",
            "coverage",
            "isopct",
        }
    )
)
"""Names of columns of numbers that are no samples."""
TRANSCRIPTS = frozenset(
    {"transcript", "transcript_id", "transcript_name", "tx", "tx_id", "txname", "t_name", "isoform_id"}
)
ID_WORDS = ("gene", "name", "id", "symbol", "target", "factor")
HEADERLESS = re.compile(r"ENS[A-Z]*[GT]\d{11}")


class Unit(Enum):
    """What the values of a table are, by its own account."""

    TPM = "TPM"
    FPKM = "FPKM"
    COUNTS = "counts and lengths"


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        format: Who writes such tables, for people.
        separator: Between columns.
        header: Names of the columns.
        skip: Lines before the first row.
        unit: What the values are.
        values: Columns of values, one a sample.
        names: Names of the samples; None for that of the file.
        ids: Columns that may hold ids of genes; the first may hold those of transcripts.
        transcripts: Column that by its name has transcripts.
        lengths: Column of the genes' lengths, for counts.
        rows: How many the table says that it has.
        left_out: Columns of numbers that are taken for no samples.
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


@dataclass(frozen=True)
class _Columns:
    """A header and what the first rows below it show."""

    table: TextTable
    separator: str
    header: tuple[str, ...]
    skip: int
    numeric: frozenset[int]

    def named(self, *names: str) -> list[int]:
        """Columns of these names, in any case."""
        return [number for number, name in enumerate(self.header) if name.lower() in names]

    @property
    def names(self) -> frozenset[str]:
        """All names, in lower case."""
        return frozenset(name.lower() for name in self.header)

    @property
    def samples(self) -> list[int]:
        """Columns of numbers that may be samples: all but the first and those that are known to describe genes."""
        return [n for n in sorted(self.numeric) if n and self.header[n].lower() not in ANNOTATION]

    def ids(self, values: Sequence[int]) -> tuple[int, ...]:
        """The first column and those of text, which may hold ids; none that holds values."""
        candidates = (
            number
            for number, name in enumerate(self.header)
            if number not in self.numeric or any(word in name.lower() for word in ID_WORDS)
        )
        taken = frozenset(values)
        return tuple(dict.fromkeys([number for number in (0, *candidates) if number not in taken]))

    def layout(
        self,
        program: str,
        unit: Unit,
        values: Sequence[int],
        names: Sequence[str | None],
        **others: Any,  # noqa: ANN401 - further attributes of a layout
    ) -> Layout:
        """A layout of these columns."""
        return Layout(
            format=program,
            separator=self.separator,
            header=self.header,
            skip=self.skip,
            unit=unit,
            values=tuple(values),
            names=tuple(names),
            ids=self.ids(values),
            lengths=next(iter(self.named("length")), None) if unit is Unit.COUNTS else None,
            transcripts=next(iter(self.named(*TRANSCRIPTS)), None),
            **others,
        )


def recognise(table: TextTable, *, normalised: bool = False) -> Layout:
    """What a table's columns are, by its first lines.

    Formats: RSEM and ENCODE, salmon, kallisto, StringTie and GDC (a column of TPM), cufflinks (FPKM), featureCounts
    (counts and lengths), GCT 1.2 and 1.3, and matrices of genes × samples.

    Args:
        table: Its first lines.
        normalised: Whether the values wanted are quantile-normalised; a vector of ours has a column of those.

    Raises:
        InputError: It has no values, no header, or values of a kind that cannot become TPM.
    """
    if table.head[0].strip() in GCT:
        return _gct(table)
    columns = _read_columns(table, header_line=_first_line_of_table(table), rows_after=1)
    tpm, fpkm = columns.named(*TPM), columns.named(*FPKM)
    if normalised and (own := columns.named(NORMALISED)):
        tpm = own
    if len(tpm) > 1:
        raise InputError("has several columns TPM; give a table with one", table.path)
    if tpm:
        program = next((name for name, marks in PROGRAMS.items() if marks <= columns.names), None)
        left_out = [] if program else [n for n in columns.samples if n not in tpm]
        return columns.layout(
            program or "table with TPM", Unit.TPM, tpm, [None], left_out=tuple(columns.header[n] for n in left_out)
        )
    if columns.names >= FEATURE_COUNTS:
        return _feature_counts(columns)
    _check_program(columns)
    if len(fpkm) > 1:
        raise InputError("has several columns of FPKM; give a table with one, or with TPM", table.path)
    if fpkm:
        return columns.layout("table with FPKM", Unit.FPKM, fpkm, [None])
    return _matrix(columns, "matrix")


def _check_program(columns: _Columns) -> None:
    """Refuse a table of a program that writes TPM, in which there is no such column; FPKM will do, if no TPM is meant.

    Its other columns of numbers, such as lengths, would pass for samples.
    """
    program = next((name for name, marks in PROGRAMS.items() if marks - TPM <= columns.names), None)
    near = [name for name in columns.header if is_near_tpm(name)]
    if program is None or (columns.named(*FPKM) and not near):
        return
    hint = f"did you mean '{near[0]}'? Then call it TPM" if near else "give a table with one"
    shown = _shown(columns.header, most=COLUMNS_SHOWN)
    raise InputError(f"is a table of {program} without a column TPM (columns: {shown}); {hint}", columns.table.path)


def _first_line_of_table(table: TextTable) -> int:
    """The number, from 0, of the first line that is neither blank nor a comment."""
    for number, line in enumerate(table.head):
        if line.strip() and not line.startswith("#"):
            return number
    raise InputError("has no header line", table.path)


def _read_columns(table: TextTable, *, header_line: int, rows_after: int) -> _Columns:
    """The header and what the rows from so many lines after it on show."""
    text = table.head[header_line]
    separator = "\t" if "\t" in text else ","
    header = table.fields(text, separator)
    skip = header_line + rows_after
    rows = [table.fields(line, separator) for line in table.head[skip:] if line.strip()]
    if rows and len(rows[0]) == len(header) + 1:
        header = ["", *header]  # R's write.table gives row names no name
    numeric = frozenset(n for n in range(len(header)) if _is_numeric([row[n] for row in rows if n < len(row)]))
    if len(header) == 1:
        raise InputError(f"has one column, {header[0]!r}; {_separator_advice(header[0])}", table.path)
    if HEADERLESS.match(header[0]) or _is_of_values(header):
        raise InputError(
            f"begins with values where the names of columns should be ({header[0]!r}); put a header line first, such "
            "as gene_id and TPM",
            table.path,
            header_line + 1,
        )
    if not rows and len(table.head) <= skip:
        raise InputError("has a header but no rows", table.path)
    return _Columns(table, separator, tuple(header), skip, numeric)


def _is_of_values(header: Sequence[str]) -> bool:
    """Whether a first line is no header: a name that is none of a column of ids, and numbers."""
    named = not header[0] or any(word in header[0].lower() for word in ID_WORDS)
    return not named and all(map(_is_number, header[1:]))


def _separator_advice(header: str) -> str:
    for separator, name in ((";", "semicolons"), ("|", "bars"), (" ", "blanks")):
        if separator in header:
            return f"columns seem to be separated by {name}: give tabs or commas"
    return "give a table of genes with a column TPM, separated by tabs or commas"


def _is_number(text: str) -> bool:
    """Whether it is one, or would be with a point for its comma."""
    try:
        float(text.replace(",", ".", 1))
    except ValueError:
        return False
    return True


def _is_numeric(values: Sequence[str]) -> bool:
    return bool(values) and sum(map(_is_number, values)) >= SHARE_OF_NUMBERS * len(values)


def _gct(table: TextTable) -> Layout:
    """GCT of the Broad Institute: version, dimensions, header, in 1.3 rows that describe the columns, then genes."""
    version = table.head[0].strip()
    try:
        sizes = [int(size) for size in table.head[1].split()]
        genes, samples, row_fields, column_fields = [*sizes, 1, 0] if version == "#1.2" else sizes
    except (IndexError, ValueError) as error:
        raise InputError(f"has no line of dimensions as GCT {version[1:]} has", table.path, 2) from error
    if len(table.head) <= GCT_HEADER:
        raise InputError("ends before its header line", table.path)
    columns = _read_columns(table, header_line=GCT_HEADER, rows_after=1 + column_fields)
    if len(columns.header) == 1 + row_fields + samples + 1 and columns.header[0].lower() == "id":
        row_fields += 1  # as GTEx has it for single tissues: id, Name, Description
    if len(columns.header) != 1 + row_fields + samples:
        raise InputError(
            f"has {len(columns.header)} columns where its dimensions say {1 + row_fields + samples}", table.path, 3
        )
    values = range(1 + row_fields, len(columns.header))
    return columns.layout(f"GCT {version[1:]}", Unit.TPM, values, _sample_names(columns, values), rows=genes)


def _feature_counts(columns: _Columns) -> Layout:
    """FeatureCounts of Subread: counts of each alignment file after the genes' lengths and what else describes them."""
    after = columns.named("length")[0] + 1
    values = [number for number in range(after, len(columns.header)) if number in columns.numeric]
    if not values:
        raise InputError("has no column of counts after Length", columns.table.path)
    return columns.layout("featureCounts", Unit.COUNTS, values, _alignment_names([columns.header[n] for n in values]))


def _alignment_names(paths: Sequence[str]) -> list[str]:
    """Names of alignment files, or of their folders where those tell them apart, as of s1/Aligned.out.bam."""
    pieces = [re.sub(r"\.(bam|sam|cram)$", "", path).split("/") for path in paths]
    deepest = min(map(len, pieces))
    levels = ([piece[-level] for piece in pieces] for level in range(1, deepest + 1))
    return next((names for names in levels if len(set(names)) == len(names)), list(paths))


def _matrix(columns: _Columns, program: str) -> Layout:
    """Genes × samples: every column of numbers that may be one."""
    numbers = sorted(columns.numeric - {0})
    values = columns.samples
    if not values:
        raise InputError(_no_values(columns, numbers), columns.table.path)
    if len(values) == 1 and (why := why_no_tpm(columns.header[values[0]])) is not None:
        raise InputError(why, columns.table.path)
    left_out = tuple(columns.header[number] for number in sorted(set(numbers) - set(values)))
    return columns.layout(program, Unit.TPM, values, _sample_names(columns, values), left_out=left_out)


def _no_values(columns: _Columns, numbers: Sequence[int]) -> str:
    counts = [columns.header[n] for n in numbers if columns.header[n].lower() in COUNTS]
    if counts:
        return (
            f"has counts ({', '.join(counts[:NAMES_SHOWN])}) and no column TPM; give TPM, for counts depend on the "
            "genes' lengths"
        )
    return (
        f"has no column TPM and none of numbers (columns: {_shown(columns.header)}); give a gene-level table with one"
    )


def _sample_names(columns: _Columns, values: Sequence[int]) -> Sequence[str | None]:
    names = [columns.header[number] for number in values]
    if len(names) == 1 and names_no_sample(names[0]):
        return [None]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise InputError(
            f"has two samples of the name {twice!r}; give each column a name of its own", columns.table.path
        )
    return names


def _shown(names: Sequence[str], *, most: int = NAMES_SHOWN) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
