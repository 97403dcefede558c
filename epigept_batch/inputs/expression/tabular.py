"""A table of text, whichever program wrote it, to the TPM of the factors in each of its samples."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.errors import InputError
from epigept_batch.inputs.expression.factor_tpm import FactorRows
from epigept_batch.inputs.expression.formats import Unit, recognise
from epigept_batch.inputs.expression.gene_ids import MOSTLY, are_transcripts, why_not_found
from epigept_batch.inputs.expression.plausibility import FULL, MILLION, Tally, Verdict, judge_tpm
from epigept_batch.inputs.expression.quantification import GENES, TRANSCRIPTS, Quantified
from epigept_batch.inputs.expression.tables import LINE, open_table
from epigept_batch.inputs.expression.transcripts import genes_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.inputs.expression.factor_tpm import FactorTPM
    from epigept_batch.inputs.expression.formats import Layout
    from epigept_batch.inputs.expression.transcripts import TranscriptMap

GeneSource = Callable[[pl.DataFrame], pl.DataFrame]
"""Columns that may hold the gene of each row of transcripts, of the columns that may hold ids."""
NO_GENE = r"^(?:N_(?:unmapped|multimapping|noFeature|ambiguous)|__[a-z_]+)$"
"""Rows that STAR and HTSeq have for reads of no gene."""
WHAT = {Unit.TPM: "TPM", Unit.FPKM: "FPKM", Unit.COUNTS: "count"}
ADVICE = {
    r"-\d.*": "; logarithms and z-scores are no TPM",
    r"\d+,\d+": "; write decimals with a point",
    r"|(?i:na|nan|null|none)": "; leave out genes that have none",
}
UNMAPPED = 1e-3
"""Share of a sample's TPM in transcripts without a gene, from which on it is worth a note."""


class TextQuantification:
    """A table of text whose first lines have been read and understood.

    Attributes:
        path: The file.
        names: Names of its samples; None for that of the file.
    """

    def __init__(self, path: Path, *, normalised: bool = False) -> None:
        """Read the first lines.

        Args:
            path: The file.
            normalised: Whether the values wanted are quantile-normalised.

        Raises:
            InputError: It is no table of a known kind.
        """
        self.path = path
        self._table = open_table(path)
        self._layout = recognise(self._table, normalised=normalised)
        self.names = self._layout.names

    def read(
        self, chosen: Sequence[int], factors: Sequence[str], transcript_map: TranscriptMap | None
    ) -> list[Quantified]:
        """Read the samples of these numbers, as `Quantification.read` has it, in one pass over the table."""
        reading = _Reading(self.path, self._layout, chosen, FactorRows(factors), transcript_map)
        for batch in self._batches(reading.needed):
            reading.add(batch)
        return reading.result()

    def why_not_found(self, factors: Sequence[str]) -> str | None:
        """What the ids of the first rows are, where they are not of human genes."""
        ids = self._layout.ids
        return why_not_found(next(self._batches(ids)).select(str(number) for number in ids), factors)

    def _batches(self, wanted: Sequence[int]) -> Iterator[pl.DataFrame]:
        layout = self._layout
        return self._table.batches(layout.separator, len(layout.header), skip=layout.skip, wanted=wanted)


class _Reading:
    """One pass over a table."""

    def __init__(
        self, path: Path, layout: Layout, chosen: Sequence[int], rows: FactorRows, transcript_map: TranscriptMap | None
    ) -> None:
        self.path, self.layout, self.factor_rows, self.map = path, layout, rows, transcript_map
        self.columns = [layout.values[number] for number in chosen]
        self.tally = Tally(len(chosen))
        self.abundance = np.zeros(len(chosen))  # what is a million in TPM
        self.gene_source: GeneSource | None = None
        self.unmapped = np.zeros(len(chosen))
        self.unmapped_rows = 0

    @property
    def needed(self) -> list[int]:
        """Numbers of the columns that are looked at."""
        lengths = self.layout.lengths
        return [*self.layout.ids, *self.columns, *(() if lengths is None else (lengths,))]

    def add(self, batch: pl.DataFrame) -> None:
        """Take some rows."""
        batch = batch.filter(~pl.col(str(self.layout.ids[0])).str.contains(NO_GENE).fill_null(value=False))
        ids = batch.select(pl.col(str(number)).str.strip_chars() for number in self.layout.ids)
        if not self.tally.rows:
            self.gene_source = self._gene_source(ids)
        values = self._numbers(batch, self.columns, WHAT[self.layout.unit])
        self.tally.add(values)
        if self.layout.unit is Unit.COUNTS:
            values = values / self._lengths(batch)
        self.abundance += values.sum(axis=0)
        if self.gene_source is not None:
            ids = self.gene_source(ids)
            nobodys = ids.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
            self.unmapped += values[nobodys].sum(axis=0)
            self.unmapped_rows += int(nobodys.sum())
        self.factor_rows.add(ids, values)

    def result(self) -> list[Quantified]:
        """What all rows gave."""
        if not self.tally.rows:
            raise InputError("has a header but no rows", self.path)
        if self.layout.rows not in {None, self.tally.rows}:
            raise InputError(
                f"has {self.tally.rows:,} rows where its dimensions say {self.layout.rows:,}; it may be cut short",
                self.path,
            )
        tpm = self.factor_rows.factor_tpm(transcripts=self.gene_source is not None)
        return [self._quantified(number, one) for number, one in enumerate(tpm)]

    def _quantified(self, number: int, tpm: FactorTPM) -> Quantified:
        total = float(self.abundance[number])
        if self.layout.unit is not Unit.TPM and total:
            tpm = replace(tpm, tpm=tpm.tpm * (MILLION / total))
        return Quantified(
            format=self.layout.format,
            level=GENES if self.gene_source is None else TRANSCRIPTS,
            rows=self.tally.rows,
            total=float(self.tally.totals[number]),
            verdict=_verdict(self.layout.unit, self.tally, number),
            tpm=tpm,
            notes=tuple(self._notes(number, total)),
        )

    def _notes(self, number: int, total: float) -> list[str]:
        """What is left out."""
        notes = []
        share = self.unmapped[number] / total if total else 0.0
        said = f"{self.unmapped_rows:,} of {self.tally.rows:,} transcripts, {share:.1%} of the TPM, have no gene"
        if share > MOSTLY and self.map is not None:
            raise InputError(f"{said} in the file of --tx2gene; give that of the same annotation", self.path)
        if share >= UNMAPPED:
            notes.append(said)
        if self.layout.left_out:
            notes.append(f"columns that are taken for no samples: {', '.join(self.layout.left_out)}")
        return notes

    def _numbers(self, batch: pl.DataFrame, columns: Sequence[int], what: str) -> NDArray[np.float64]:
        """Columns as numbers from 0 up, float64, (rows, columns)."""
        text = batch.select(str(number) for number in columns)
        values = text.cast(pl.Float64, strict=False)
        if values.null_count().sum_horizontal()[0]:  # perhaps for blanks around them
            text = text.with_columns(pl.all().str.strip_chars())
            values = text.cast(pl.Float64, strict=False)
        numbers = values.fill_null(np.nan).to_numpy()
        bad = ~((numbers >= 0) & np.isfinite(numbers))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise self._no_number(text[int(row), int(column)] or "", what, columns[column], int(batch[LINE][int(row)]))
        return numbers

    def _no_number(self, text: str, what: str, column: int, line: int) -> InputError:
        of = f" of {self.layout.header[column]}" if len(self.layout.values) > 1 else ""
        advice = next((words for pattern, words in ADVICE.items() if re.fullmatch(pattern, text)), "")
        return InputError(f"{what} {text!r}{of} is not a number from 0 up{advice}", self.path, line)

    def _lengths(self, batch: pl.DataFrame) -> NDArray[np.float64]:
        """Lengths of the rows' genes, float64, (rows, 1), in bp."""
        lengths = self._numbers(batch, [self.layout.lengths or 0], "length")
        if not lengths.all():
            row = int(lengths.argmin())
            raise InputError("length 0; give that of the gene's exons", self.path, int(batch[LINE][row]))
        return lengths

    def _gene_source(self, ids: pl.DataFrame) -> GeneSource | None:
        """What gives the genes of rows that are transcripts, by the first of them; None where rows are genes."""
        first = ids[:, 0]
        by_map = None if self.map is None else self.map.genes
        mapped = 0.0 if by_map is None else float(by_map(first).is_not_null().mean() or 0)  # type: ignore[arg-type]
        if by_map is not None and mapped > MOSTLY:
            return lambda ids: by_map(ids[:, 0]).to_frame("0")
        named = self.layout.transcripts
        others = [str(number) for number in self.layout.ids if number not in {0, named}]
        if named in self.layout.ids[1:]:  # transcripts that stand behind their genes
            return lambda ids: ids.select(ids.columns[0], *others)
        if not are_transcripts(first) and named != 0:
            return None
        if genes_within(first).is_not_null().any():
            return lambda ids: genes_within(ids[:, 0]).to_frame("0")
        if others:
            return lambda ids: ids.select(others)
        if by_map is not None and mapped:
            return lambda ids: by_map(ids[:, 0]).to_frame("0")
        advice = "give --tx2gene, a GTF, GFF3 or table of transcripts and genes"
        if by_map is not None:
            advice = "none of them is in the file of --tx2gene: give that of the same annotation"
        raise InputError(f"is a table of transcripts ({first.drop_nulls()[0]}, …); {advice}", self.path)


def _verdict(unit: Unit, tally: Tally, number: int) -> Verdict:
    """What the values of a sample are."""
    if unit is Unit.TPM:
        return judge_tpm(tally, number)
    if unit is Unit.COUNTS:
        return Verdict("counts / length", "counts divided by the genes' lengths and scaled to a million")
    said = "FPKM scaled to a million"
    return Verdict("FPKM", said if tally.rows >= FULL else f"{said}, which is TPM where a table has all genes")
