"""Read a text table of any program into the factors' TPM in each of its samples."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.errors import InputError
from epigept_batch.expression.column_names import describes_genes
from epigept_batch.expression.factor_tpm import FactorRows
from epigept_batch.expression.formats import Unit, recognise
from epigept_batch.expression.gene_ids import MOSTLY, are_transcripts, why_not_found
from epigept_batch.expression.notes import Note
from epigept_batch.expression.numerals import COMMA, Numerals, is_no_value
from epigept_batch.expression.plausibility import FULL, MILLION, Tally, Verdict, judge_tpm
from epigept_batch.expression.quantification import GENES, MARKS, TRANSCRIPTS, Quantified, mark_of_rows
from epigept_batch.expression.tables import LINE, open_table
from epigept_batch.expression.transcripts import genes_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.expression.factor_tpm import FactorTPM
    from epigept_batch.expression.formats import Layout
    from epigept_batch.expression.tables import TextTable
    from epigept_batch.expression.transcripts import TranscriptMap
    from epigept_batch.expression.turned_tables import Turned

GeneSource = Callable[[pl.DataFrame], pl.DataFrame]
"""Returns, from the columns that may hold ids, those that may hold the gene of each transcript row."""
NO_GENE = r"^(?:N_(?:unmapped|multimapping|noFeature|ambiguous)|__[a-z_]+)$"
"""Rows of STAR and HTSeq that count reads outside genes."""
WHAT = {Unit.TPM: "TPM", Unit.FPKM: "FPKM", Unit.COUNTS: "count"}
ADVICE = {
    r"-[\d.,]+.*": "; log-transformed values and z-scores are not TPM",
    r"[1-9]\d{0,2},\d{3}": "; write decimals with a point, and omit thousands separators",
    r"\d+,\d+": "; write decimals with a point",
    r"\d{1,3}(?:[., ]\d{3})+(?:[.,]\d+)?": "; omit thousands separators, and write decimals with a point",
}
NO_VALUES = "; remove genes without a value"
MOST_REPEATED = 0.2
"""Share of the factors with several rows, above which rows cannot be genes of one sample."""
UNMAPPED = 1e-3
"""Share of a sample's TPM in transcripts without a gene, from which a note is given."""


class TextQuantification:
    """A table of text whose first lines have been read and understood.

    Attributes:
        path: The file.
        names: Names of its samples; None for the single sample of a file.
    """

    def __init__(self, path: Path, *, normalised: bool = False, wanted: Sequence[str] = ()) -> None:
        """Read the first lines.

        Args:
            path: The file.
            normalised: Whether to read quantile-normalised values.
            wanted: Names of samples that a user picks; they may name columns that are not samples otherwise.

        Raises:
            InputError: The file is not a table of a known kind.
        """
        self.path = path
        self._table = open_table(path)
        self._layout = recognise(self._table, normalised=normalised, wanted=wanted)
        self.names = self._layout.names

    def read(
        self, chosen: Sequence[int], factors: Sequence[str], transcript_map: TranscriptMap | None
    ) -> list[Quantified]:
        """Read the samples of these numbers in one pass over the table; see `Quantification.read`."""
        layout, rows = self._layout, FactorRows(factors)
        if layout.turned is not None:
            return self._read_turned(layout.turned, chosen, rows, transcript_map)
        if layout.key is not None:
            return self._read_long(layout.key, chosen, factors, transcript_map)
        reading = _Reading(self._table, layout, [layout.values[number] for number in chosen], rows, transcript_map)
        for batch in self._batches(reading.needed):
            reading.add(batch)
        quantified = reading.result()
        self._check_repeated(quantified[0])
        return quantified

    def _read_long(
        self, key: int, chosen: Sequence[int], factors: Sequence[str], transcript_map: TranscriptMap | None
    ) -> list[Quantified]:
        """Read samples of a table with one row per gene and sample."""
        names = [str(self._layout.names[number]) for number in chosen]
        readings = {
            name: _Reading(self._table, self._layout, self._layout.values, FactorRows(factors), transcript_map, of=name)
            for name in names
        }
        for batch in self._batches([*readings[names[0]].needed, key]):
            of_sample = batch.with_columns(pl.col(str(key)).str.strip_chars()).partition_by(str(key), as_dict=True)
            for (name,), rows in of_sample.items():
                if name in readings:
                    readings[str(name)].add(rows)
        return [readings[name].result()[0] for name in names]

    def _read_turned(
        self, turned: Turned, chosen: Sequence[int], rows: FactorRows, transcript_map: TranscriptMap | None
    ) -> list[Quantified]:
        """Read samples of a table whose rows are samples."""
        reading = _Reading(self._table, self._layout, chosen, rows, transcript_map)
        wanted = pl.Series([str(turned.samples[number]) for number in chosen])
        found: list[pl.Series] = []
        values: list[NDArray[np.float64]] = []
        for batch in self._batches([turned.column, *turned.genes]):
            mine = batch.filter(pl.col(str(turned.column)).str.strip_chars().is_in(wanted.implode()))
            found.append(mine[str(turned.column)].str.strip_chars())
            values.append(reading.numbers(mine, turned.genes, "TPM"))
        order = [pl.concat(found).to_list().index(name) for name in wanted]
        ids = pl.DataFrame({"0": turned.ids}, schema={"0": pl.String})
        reading.add_values(ids, np.concatenate(values)[order].T)
        return [_without_logarithms(one) for one in reading.result()]

    def why_not_found(self, factors: Sequence[str]) -> str | None:
        """Return what the ids of the first rows are, if they are not those of human genes."""
        if self._layout.turned is not None:
            return None
        ids = self._layout.ids
        return why_not_found(next(self._batches(ids)).select(str(number) for number in ids), factors)

    def _batches(self, wanted: Sequence[int]) -> Iterator[pl.DataFrame]:
        layout = self._layout
        return self._table.batches(
            layout.separator, len(layout.header), skip=layout.skip, wanted=wanted, width=layout.width
        )

    def _check_repeated(self, quantified: Quantified) -> None:
        """Refuse a table if many genes have several rows that a text column tells apart, possibly as samples."""
        tpm = quantified.tpm
        if len(tpm.several) <= MOST_REPEATED * len(tpm.factors):
            return
        first = next(name for factor, name in zip(tpm.factors, tpm.found_as, strict=True) if factor in tpm.several)
        rows = pl.concat(
            batch.filter(
                pl.any_horizontal(pl.col(str(n)).str.contains(str(first), literal=True) for n in self._layout.ids)
            )
            for batch in self._batches(range(len(self._layout.header)))
        )
        raise_apart(self._layout, rows, self.path, str(first))


def raise_apart(layout: Layout, rows: pl.DataFrame, path: Path, name: str) -> None:
    """Refuse rows of one gene or transcript if text columns tell them apart.

    Raises:
        InputError: They do.
    """
    texts = [n for n in layout.ids if n != layout.transcripts and not describes_genes(layout.header[n])]
    apart = [layout.header[n] for n in texts if rows[str(n)].n_unique() == len(rows)]
    if len(rows) > 1 and apart:
        raise InputError(
            f"{len(rows)} rows for {name} that differ in {apart[0]!r}; rename that column to sample if it names each "
            "row's sample, or provide one file per sample",
            path,
            int(rows[LINE][1]),
        )


class _Reading:
    """One pass over a table."""

    def __init__(
        self,
        table: TextTable,
        layout: Layout,
        columns: Sequence[int],
        rows: FactorRows,
        transcript_map: TranscriptMap | None,
        *,
        of: str | None = None,
    ) -> None:
        self.table, self.path, self.layout, self.factor_rows, self.map = table, table.path, layout, rows, transcript_map
        self.columns, self.of = columns, of
        self.numerals = Numerals()
        self.tally = Tally(len(columns))
        self.abundance = np.zeros(len(columns))  # the sum that scaling turns into a million
        self.gene_source: GeneSource | None = None
        self.transcripts: list[pl.DataFrame] = []
        self.unmapped = np.zeros(len(columns))
        self.unmapped_rows = 0
        self.rows_mark = 0

    @property
    def needed(self) -> list[int]:
        """Numbers of the columns that are read."""
        others = (self.layout.lengths, self.layout.places)
        return [*self.layout.ids, *self.columns, *(number for number in others if number is not None)]

    def add(self, batch: pl.DataFrame) -> None:
        """Add rows of a batch."""
        batch = batch.filter(~pl.col(str(self.layout.ids[0])).str.contains(NO_GENE).fill_null(value=False))
        ids = batch.select(pl.col(str(number)).str.strip_chars() for number in self.layout.ids)
        if not self.tally.rows:
            self.gene_source = self._gene_source(ids)
        values = self.numbers(batch, self.columns, WHAT[self.layout.unit])
        if self.gene_source is not None:
            named = self.layout.transcripts
            transcript = str(named if named in self.layout.ids else self.layout.ids[0])
            self.transcripts.append(batch.select(LINE, transcript=pl.col(transcript).str.strip_chars()))
        self.add_values(
            ids,
            values,
            lengths=self._lengths(batch) if self.layout.unit is Unit.COUNTS else None,
            places=None if self.layout.places is None else batch[str(self.layout.places)].str.strip_chars(),
        )

    def add_values(
        self,
        ids: pl.DataFrame,
        values: NDArray[np.float64],
        *,
        lengths: NDArray[np.float64] | None = None,
        places: pl.Series | None = None,
    ) -> None:
        """Add rows.

        Args:
            ids: Columns that may hold ids of genes or transcripts.
            values: float64, (rows, samples).
            lengths: float64, (rows, 1), in bp; counts are divided by them.
            places: The chromosome of each row, if rows are loci.
        """
        self.rows_mark = (self.rows_mark + mark_of_rows(ids[:, 0])) % MARKS
        self.tally.add(values)
        if lengths is not None:
            values = values / lengths
        self.abundance += values.sum(axis=0)
        if self.gene_source is not None:
            ids = self.gene_source(ids)
            nobodys = ids.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
            self.unmapped += values[nobodys].sum(axis=0)
            self.unmapped_rows += int(nobodys.sum())
        self.factor_rows.add(ids, values, places=places)

    def result(self) -> list[Quantified]:
        """Return the samples, once all rows have been added."""
        if not self.tally.rows:
            raise InputError("a header but no rows", self.path)
        if self.layout.rows not in {None, self.tally.rows}:
            raise InputError(
                f"{self.tally.rows:,} rows, but the dimensions line says {self.layout.rows:,}; the file may be "
                "truncated",
                self.path,
            )
        self._check_transcripts()
        tpm = self.factor_rows.factor_tpm(transcripts=self.gene_source is not None, loci=self.layout.loci)
        return [self._quantified(number, one) for number, one in enumerate(tpm)]

    def _check_transcripts(self) -> None:
        """Check that each transcript is listed once."""
        if not self.transcripts:
            return
        rows = pl.concat(self.transcripts)
        twice = rows.filter(pl.col("transcript").is_duplicated() & pl.col("transcript").is_not_null())
        if not len(twice):
            return
        name = twice["transcript"][0]
        lines = twice.filter(transcript=name)[LINE]
        layout = self.layout
        batches = self.table.batches(layout.separator, len(layout.header), skip=layout.skip, width=layout.width)
        raise_apart(layout, pl.concat(b.filter(pl.col(LINE).is_in(lines.implode())) for b in batches), self.path, name)
        raise InputError(
            f"transcript {name} is listed {len(lines)} times (first in line {lines[0]}); write one row per transcript, "
            "or provide one file per sample",
            self.path,
            int(lines[1]),
        )

    def _quantified(self, number: int, tpm: FactorTPM) -> Quantified:
        total = float(self.abundance[number])
        if self.layout.unit is not Unit.TPM and total:
            tpm = replace(tpm, by_factor=tpm.by_factor * (MILLION / total))
        return Quantified(
            format=self.layout.format,
            level=GENES if self.gene_source is None else TRANSCRIPTS,
            rows=self.tally.rows,
            total=float(self.tally.totals[number]),
            verdict=_verdict(self.layout.unit, self.tally, number),
            tpm=tpm,
            notes=tuple(self._notes(number, total)),
            rows_mark=self.rows_mark,
        )

    def _notes(self, number: int, total: float) -> list[str]:
        """Return notes on what is left out or converted."""
        notes: list[str] = []
        share = self.unmapped[number] / total if total else 0.0
        of_rows = f"{self.unmapped_rows:,} of {self.tally.rows:,} transcripts, with {{}} of the TPM, have no gene"
        said = Note(of_rows, share, form=".1%")
        if share > MOSTLY and self.map is not None:
            raise InputError(f"{said} in the --tx2gene file; use the file of the same annotation", self.path)
        if share >= UNMAPPED:
            notes.append(said)
        if self.layout.left_out:
            notes.append(f"columns not treated as samples: {', '.join(self.layout.left_out)}")
        if self.layout.empty:
            notes.append(f"columns without any value: {', '.join(self.layout.empty)}")
        if self.numerals.fives:
            notes.append(f"{self.numerals.fives:,} cells of five numbers are read as their median, the third number")
        if self.numerals.decimal == COMMA:
            notes.append("commas are read as decimal points")
        return notes

    def numbers(self, batch: pl.DataFrame, columns: Sequence[int], what: str) -> NDArray[np.float64]:
        """Return columns as numbers of 0 or more, float64, (rows, columns)."""
        text = batch.select(str(number) for number in columns)
        numbers = self.numerals.read(text)
        bad = ~((numbers >= 0) & np.isfinite(numbers))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise self._no_number(text[int(row), int(column)] or "", what, columns[column], int(batch[LINE][int(row)]))
        return numbers

    def _no_number(self, text: str, what: str, column: int, line: int) -> InputError:
        name = self.of if self.of is not None else self.layout.header[column]
        of = f" of {name}" if len(self.layout.values) > 1 or self.of is not None else ""
        text = text.strip()
        advice = next((words for pattern, words in ADVICE.items() if re.fullmatch(pattern, text)), "")
        if is_no_value(text):
            others = ", or pick samples that have every value with --sample" if len(self.layout.names) > 1 else ""
            advice = NO_VALUES + others
        elif not advice and len(self.layout.values) > 1 and self.layout.turned is None:
            advice = "; if that column is not a sample, pick the samples with --sample"
        return InputError(f"{what} {text!r}{of} is not a number of 0 or more{advice}", self.path, line)

    def _lengths(self, batch: pl.DataFrame) -> NDArray[np.float64]:
        """Return the lengths of the rows' genes, float64, (rows, 1), in bp."""
        lengths = self.numbers(batch, [self.layout.lengths or 0], "length")
        if not lengths.all():
            row = int(lengths.argmin())
            raise InputError("length 0; provide the total length of the gene's exons", self.path, int(batch[LINE][row]))
        return lengths

    def _gene_source(self, ids: pl.DataFrame) -> GeneSource | None:
        """Choose where the genes of transcript rows come from, based on the first rows; None if rows are genes."""
        first = ids[:, 0]
        by_map = None if self.map is None else self.map.genes
        mapped = 0.0 if by_map is None else float(by_map(first).is_not_null().mean() or 0)  # type: ignore[arg-type]
        if by_map is not None and mapped > MOSTLY:
            return lambda ids: by_map(ids[:, 0]).to_frame("0")
        named = self.layout.transcripts
        others = [str(number) for number in self.layout.ids if number not in {0, named}]
        if named in self.layout.ids[1:]:  # transcripts in a column after their genes
            return lambda ids: ids.select(ids.columns[0], *others)
        if not are_transcripts(first) and named != 0:
            return None
        if genes_within(first).is_not_null().any():
            return lambda ids: genes_within(ids[:, 0]).to_frame("0")
        if others:
            return lambda ids: ids.select(others)
        if by_map is not None and mapped:
            return lambda ids: by_map(ids[:, 0]).to_frame("0")
        advice = "provide a GTF, GFF3 or table of transcripts and genes with --tx2gene"
        if by_map is not None:
            advice = "none of them is in the --tx2gene file: use the file of the same annotation"
        raise InputError(f"a table of transcripts ({first.drop_nulls()[0]}, …); {advice}", self.path)


def _verdict(unit: Unit, tally: Tally, number: int) -> Verdict:
    """Judge the values of a sample."""
    if unit is Unit.TPM:
        return judge_tpm(tally, number)
    is_full = tally.rows >= FULL  # otherwise the scaling factor is not that of all genes
    if unit is Unit.COUNTS:
        said = "counts divided by gene length and scaled to a million"
        return Verdict("counts / length", said, of_one_scale=is_full)
    said = "FPKM scaled to a million"
    said = said if is_full else f"{said}, which equals TPM only if the table has all genes"
    return Verdict("FPKM", said, of_one_scale=is_full)


def _without_logarithms(quantified: Quantified) -> Quantified:
    """Refuse logarithms, which tables with samples as rows often hold, whatever genes there are."""
    verdict = quantified.verdict
    if verdict.of_one_scale or "looks like" not in verdict.note or "largest value" not in verdict.note:
        return quantified
    note = verdict.note.partition(";")[0] + "; provide untransformed TPM"
    return replace(quantified, verdict=replace(verdict, note=note, refused=True))
