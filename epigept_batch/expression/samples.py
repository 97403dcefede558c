"""Read the tables that a user names into the samples of a run, each with a description."""

from __future__ import annotations

import difflib
import math
import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.expression.factor_tpm import mean_of
from epigept_batch.expression.notes import Note, said_once
from epigept_batch.expression.plausibility import FEW, Verdict, is_normalised, judge_normalised
from epigept_batch.expression.pseudobulk import Pseudobulk
from epigept_batch.expression.sheet import SheetRow, read_sheet
from epigept_batch.expression.tables import is_hdf5
from epigept_batch.expression.tabular import TextQuantification
from epigept_batch.expression.transcripts import read_transcript_map
from epigept_batch.expression.vector import TrainingCells
from epigept_batch.names import can_be_file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from epigept_batch.expression.factor_tpm import FactorTPM
    from epigept_batch.expression.quantification import Quantification, Quantified
    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.expression.vector import NearestCell
    from epigept_batch.spec import ExpressionReference

KNOWN_ENDINGS = (".tsv", ".csv", ".txt", ".tab", ".sf", ".gct", ".h5ad", ".results", ".genes", ".gz")
NAMED_BY_FOLDER = frozenset(
    {
        *("quant.sf", "quant.genes.sf", "abundance.tsv", "abundance.txt", "abundance.gene.tsv", "abundance.genes.tsv"),
        *("t_data.ctab", "gene_abund.tab", "gene_abund.tsv", "gene_abund.txt"),
        *("gene_abundance.tab", "gene_abundance.tsv", "gene_abundances.tab", "gene_abundances.tsv"),
        *("genes.fpkm_tracking", "isoforms.fpkm_tracking", "genes.results", "isoforms.results"),
    }
)
"""Names that salmon, kallisto, StringTie, cufflinks and RSEM give to every table; the folder names the sample."""
NAMES_SHOWN = 5
MISSING_SHOWN = 12
"""Missing factors that a note names; the run record has all."""
MOST_REPEATED = 0.2
"""Share of the factors with several rows, above which rows cannot be genes."""
UNLIKE = 0.3
"""Rank correlation with the nearest training cell below which a sample resembles no training cell. Real tissues have
0.6 or more with each other, shuffled genes 0.1 at most."""

MOST_RATIO = 1.5
"""Largest ratio of TPM sums of the same genes between replicates: protein-coding genes have 0.7 to 1 of the million."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where a sample's values come from.

    Attributes:
        path: The file.
        column: The sample's name in the file; None if the file is one sample.
        quantified: The values read.
        verdict: What the values are.
        sheet: The sample's row in a sample sheet; None without a sheet.
    """

    path: Path
    column: str | None
    quantified: Quantified
    verdict: Verdict
    sheet: SheetRow | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user."""
        return tuple(note for note in (self.verdict.note, *self.quantified.notes) if note)

    def account(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        return {
            "path": str(self.path.resolve()),
            "column": self.column,
            "format": self.quantified.format,
            "level": self.quantified.level,
            "rows": self.quantified.rows,
            "sum": self.quantified.total,
            "verdict": self.verdict.kind,
        }


@dataclass(frozen=True, eq=False)
class SampleExpression:
    """One sample.

    Attributes:
        name: Its name, which can be part of a file name.
        sources: Its table, or the tables of its replicates.
        tpm: The factors' TPM.
        nearest: The training cell most similar to it; None without a reference.
        notes: Notes for the user, one sentence each.
    """

    name: str
    sources: tuple[Source, ...]
    tpm: FactorTPM
    nearest: NearestCell | None
    notes: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the sample, each once."""
        return tuple(dict.fromkeys(source.path for source in self.sources))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The notes, and which factors are missing."""
        missing, factors = self.tpm.missing, len(self.tpm.factors)
        if not missing:
            return self.notes
        found = f"{factors - len(missing)} of {factors} factors found"
        shown = missing if len(missing) <= MISSING_SHOWN else missing[:MISSING_SHOWN]
        more = f" and {len(missing) - len(shown)} more, listed in run.json" if len(missing) > len(shown) else ""
        return (*self.notes, f"{found}; missing, treated as TPM 0: {', '.join(shown)}{more}")

    def account(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        found = len(self.tpm.factors) - len(self.tpm.missing)
        found_as = dict(zip(self.tpm.factors, self.tpm.found_as, strict=True))
        nearest = self.nearest
        return {
            "sample": self.name,
            "tables": [source.account() for source in self.sources],
            "factors": {
                "found": found,
                "by_id": found - len(self.tpm.renamed),
                "by_alias": len(self.tpm.renamed),
                "renamed": {factor: found_as[factor] for factor in self.tpm.renamed},
                "missing": self.tpm.missing,
                "repeated": dict(self.tpm.several),
            },
            "nearest_cell": nearest and {"cell": nearest.cell, "r": nearest.r, "median_r": nearest.median_r},
            "notes": self.notes,
            "sheet": self._sheet(),
        }

    def _sheet(self) -> dict[str, Any] | None:
        """Return the sheet and its further columns, as a list if several samples were merged."""
        rows = [source.sheet for source in self.sources]
        sheets = [row for row in rows if row is not None]
        if not sheets:
            return None
        others = [None if row is None else dict(row.others) for row in rows]
        return {"path": str(sheets[0].sheet.resolve()), "columns": others[0] if len(others) == 1 else others}


@dataclass(frozen=True, eq=False)
class _Choice:
    """A sample of a file, and the name it gets."""

    name: str
    file: Quantification
    number: int
    given: str | None = None
    sheet: SheetRow | None = None


def read_samples(
    request: SampleRequest, factors: Sequence[str], reference: ExpressionReference | None
) -> tuple[SampleExpression, ...]:
    """Read the samples that are wanted, in the order of the tables, then of the sheet.

    Args:
        request: The samples and tables wanted.
        factors: Names, in the network's order.
        reference: The training cells to compare with; None if there are none.

    Raises:
        InputError: A table cannot be read, lacks factors, or holds no TPM; or samples share a name or do not exist.
        DeviceError: An optional library is missing.
    """
    choices = _choose(request)
    transcript_map = None if request.tx2gene is None else read_transcript_map(request.tx2gene)
    by_file: dict[Quantification, list[_Choice]] = {}
    for choice in choices:
        by_file.setdefault(choice.file, []).append(choice)
    sources: dict[_Choice, Source] = {}
    for file, of_file in by_file.items():
        quantified = file.read([choice.number for choice in of_file], factors, transcript_map)
        _check_found(file, quantified[0].tpm, request.max_missing)
        for choice, one in zip(of_file, quantified, strict=True):
            sources[choice] = _checked(choice, one, reference, normalised=request.normalised)
    groups: list[tuple[str, tuple[Source, ...]]] = [(choice.name, (sources[choice],)) for choice in choices]
    if request.merge is not None:
        groups = [(request.merge, tuple(sources[choice] for choice in choices))]
    cells = None if reference is None else TrainingCells(reference)
    return tuple(_sample(name, group, cells) for name, group in groups)


def sample_name(path: Path) -> str:
    """Return the default name of a table's sample.

    It is the file's name without its folder and known endings. If the program that wrote the file gives every file the
    same name, it is the name of the folder.
    """
    name = path.name
    if name.lower().removesuffix(".gz") in NAMED_BY_FOLDER:
        # links are not resolved: the folder of the link has the sample's name, for example in Nextflow
        folder = os.path.basename(os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH119, PTH120
        if can_be_file_name(folder):
            return folder
    while ending := next((e for e in KNOWN_ENDINGS if name.lower().endswith(e)), None):
        name = name[: -len(ending)]
    return name


def _choose(request: SampleRequest) -> list[_Choice]:
    """Select the samples wanted."""
    offered = [*_of_tables(request), *_of_sheet(request)]
    if request.group_by is not None and not any(isinstance(choice.file, Pseudobulk) for choice in offered):
        raise InputError(f"--group-by {request.group_by}: applies only to an .h5ad, and there is none; omit it")
    _check_wanted(request.samples, [choice.name for choice in offered])
    wanted = frozenset(request.samples)
    chosen = [choice for choice in offered if not wanted or choice.name in wanted]
    of_file = Counter(choice.file for choice in chosen)
    named = [replace(choice, name=_named(choice, samples=of_file[choice.file])) for choice in chosen]
    if request.merge is None:
        _check_names(named)
    elif not can_be_file_name(request.merge):
        raise InputError(f"--merge {request.merge}: cannot be used in a file name; choose another name")
    return named


def _of_tables(request: SampleRequest) -> Iterator[_Choice]:
    """Yield the samples of the tables named on the command line."""
    opened = [(given, path, _open(path, request)) for given, path in request.tables]
    for given, path, file in opened:
        for number, column in enumerate(file.names):
            yield _Choice(column or given or sample_name(path), file, number, given)


def _of_sheet(request: SampleRequest) -> Iterator[_Choice]:
    """Yield the samples of the sheet; a table with several of them is opened once."""
    files: dict[Path, tuple[Quantification, dict[str | None, int]]] = {}
    taken: dict[tuple[Path, int], SheetRow] = {}
    for row in () if request.sheet is None else read_sheet(request.sheet):
        if row.file not in files:
            file = _open(row.file, request)
            files[row.file] = file, {name: number for number, name in enumerate(file.names)}
        file, numbers = files[row.file]
        number = _column_of(row, numbers)
        earlier = taken.setdefault((row.file, number), row)
        if earlier is not row:
            raise InputError(
                f"'{row.sample}' has the same values as '{earlier.sample}' in line {earlier.line}; use another file, "
                "or another `column` of a file with several samples",
                row.sheet,
                row.line,
            )
        yield _Choice(row.sample, file, number, sheet=row)


def _column_of(row: SheetRow, numbers: Mapping[str | None, int]) -> int:
    """Return the number of a sheet's sample in its table.

    It is the one that `column` names. Without `column`, it is the only one, or the one with the sample's name.
    """
    wanted = row.column or row.sample
    if wanted in numbers:
        return numbers[wanted]
    if len(numbers) == 1 and (row.column is None or None in numbers):
        return 0
    names = [name for name in numbers if name is not None]
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has {_shown(names)}"
    advice = "" if row.column else "; name it in a column `column`"
    raise InputError(f"{row.file} has no sample '{wanted}'; {hint}{advice}", row.sheet, row.line)


def _open(path: Path, request: SampleRequest) -> Quantification:
    """Open a table and read its first lines."""
    if is_hdf5(path):
        return Pseudobulk(path, request.group_by)
    return TextQuantification(path, normalised=request.normalised, wanted=request.samples)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")


def _check_wanted(wanted: Iterable[str], offered: Sequence[str]) -> None:
    known = frozenset(offered)
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, offered, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the tables have {_shown(offered)}"
            raise InputError(f"--sample {name}: no table has a sample with this name; {hint}")


def _named(choice: _Choice, *, samples: int) -> str:
    """Return a sample's name: one given for it or for its file takes precedence over the column's name.

    Args:
        choice: The sample.
        samples: How many samples of its file are wanted.
    """
    if choice.sheet is not None:
        return choice.name
    if choice.given is None:
        return choice.name.replace("/", "_") if choice.file.names[choice.number] else choice.name
    if samples > 1:
        raise InputError(
            f"{samples} samples but only one name, '{choice.given}'; pick one with --sample, or omit the name",
            choice.file.path,
        )
    return choice.given


def _check_names(choices: Sequence[_Choice]) -> None:
    for choice in choices:
        if not can_be_file_name(choice.name):
            name = choice.file.names[choice.number] or choice.name
            pick = f" and --sample '{name}'" if len(choice.file.names) > 1 else ""
            raise InputError(
                f"sample '{name}' cannot be used in a file name; rename it with --tpm NAME=FILE{pick}",
                choice.file.path,
            )
    name, times = Counter(choice.name for choice in choices).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"{times} samples are named '{name}'; rename one with --tpm NAME=FILE, or average replicates "
            "with --merge NAME"
        )


def _check_found(file: Quantification, tpm: FactorTPM, max_missing: float) -> None:
    """Check that enough factors are found; if not, report what the ids are."""
    factors, missing = tpm.factors, tpm.missing
    if len(tpm.several) > MOST_REPEATED * len(factors):
        some = ", ".join(list(tpm.several)[:NAMES_SHOWN])
        raise InputError(
            f"several rows for {len(tpm.several)} of {len(factors)} factors ({some}, …); if they are transcripts, name "
            "their column transcript_id to have them summed, or sum them to genes",
            file.path,
        )
    if len(missing) <= max_missing * len(factors) and len(missing) < len(factors):
        return
    few = len(missing) * 2 > len(factors)
    if few and (said := file.why_not_found(factors)) is not None:
        raise InputError(said, file.path)
    if len(missing) == len(factors):
        raise InputError(
            "no column with human gene ids; provide a table with Ensembl gene ids (ENSG…) or gene symbols", file.path
        )
    raise InputError(
        f"only {len(factors) - len(missing)} of {len(factors)} factors found (missing: {_shown(missing)}), at least "
        f"{1 - max_missing:.0%} required; provide a table of all human genes, or allow more with --max-missing "
        f"{math.ceil(100 * len(missing) / len(factors)) / 100:g}",
        file.path,
    )


def _checked(
    choice: _Choice, quantified: Quantified, reference: ExpressionReference | None, *, normalised: bool
) -> Source:
    """Check that a sample's values can be used."""
    column = choice.file.names[choice.number]
    of = f"sample '{column}' " if len(choice.file.names) > 1 else ""
    if not quantified.tpm.by_factor.any():
        raise InputError(f"{of}has TPM 0 for every factor; provide a table of a sequenced sample", choice.file.path)
    verdict = _verdict(quantified, reference, normalised=normalised)
    if verdict.refused:
        raise InputError(f"{of}{verdict.note}", choice.file.path)
    return Source(choice.file.path, column, quantified, verdict, choice.sheet)


def _verdict(quantified: Quantified, reference: ExpressionReference | None, *, normalised: bool) -> Verdict:
    if not normalised:
        if reference is not None and is_normalised(quantified.tpm.by_factor, reference):
            return Verdict(
                "quantile-normalised",
                "the factors' TPM are already quantile-normalised; normalising them again changes nothing",
            )
        return quantified.verdict
    if reference is None:
        return Verdict("quantile-normalised, according to the user")
    return judge_normalised(quantified.tpm.by_factor, quantified.verdict, reference)


def _sample(name: str, sources: tuple[Source, ...], cells: TrainingCells | None) -> SampleExpression:
    tpm, notes = (sources[0].quantified.tpm, list(sources[0].notes)) if len(sources) == 1 else _merged(sources)
    if tpm.several:
        counted = ", ".join(f"{factor} ({rows} rows)" for factor, rows in tpm.several.items())
        factors = "1 factor" if len(tpm.several) == 1 else f"{len(tpm.several)} factors"
        notes.append(f"several rows of one gene were averaged for {factors}: {counted}")
    if len(sources) > 1:
        lacking = {factor for source in sources for factor in source.quantified.tpm.missing} - set(tpm.missing)
        if lacking:
            partly = ", ".join(factor for factor in tpm.factors if factor in lacking)
            notes.append(f"factors that some of the tables lack, averaged over the others: {partly}")
    nearest = None if cells is None else cells.nearest(tpm.by_factor)
    if nearest is not None and nearest.r < UNLIKE and len(tpm.factors) >= FEW:
        notes.append(
            Note(
                "unlike any training cell: the nearest has a rank correlation of {}",
                nearest.r,
                form=".2f",
                one=f"unlike any training cell: the nearest, {nearest.cell}, has a rank correlation of {nearest.r:.2f}",
            )
        )
    return SampleExpression(name, sources, tpm, nearest, notes=tuple(dict.fromkeys(notes)))


def _merged(sources: Sequence[Source]) -> tuple[FactorTPM, list[str]]:
    """Return the mean of replicates, and notes on it.

    For some values the sum does not show the scale, for example TPM of protein-coding genes only. They have the same
    scale if the tables were filtered alike.

    Raises:
        InputError: The replicates do not have the same scale.
    """
    odd = next((source for source in sources if not source.verdict.of_one_scale), None)
    names = [source.column or source.path.name for source in sources]
    if odd is None:
        notes = list(said_once(list(zip(names, (source.notes for source in sources), strict=True))))
        return mean_of([source.quantified.tpm for source in sources]), notes
    if why := _why_not_alike(sources):
        raise InputError(
            f"cannot be averaged with the other tables: the values are {odd.verdict.kind}, judging by their sum of "
            f"{odd.quantified.total:,.0f}, and {why}; provide TPM of all genes, or of the same genes",
            odd.path,
        )
    totals = [source.quantified.total for source in sources]
    said = (
        f"averaged as TPM of some genes: all tables have the same {odd.quantified.rows:,} {odd.quantified.level}, and "
        f"their sums range from {min(totals):,.0f} to {max(totals):,.0f}"
    )
    notes = list(said_once(list(zip(names, (source.quantified.notes for source in sources), strict=True))))
    return mean_of([source.quantified.tpm for source in sources]), [said, *notes]


def _why_not_alike(sources: Sequence[Source]) -> str:
    """Return why replicates were not filtered alike; empty if format, rows and (nearly) sums agree."""
    if (part := next((s for s in sources if not s.verdict.can_be_part), None)) is not None:
        return f"values that are {part.verdict.kind} have no known scale"
    first = sources[0].quantified
    if any((s.quantified.format, s.quantified.level) != (first.format, first.level) for s in sources):
        return "the tables are of different kinds"
    if first.rows_mark is None or any(s.quantified.rows_mark != first.rows_mark for s in sources):
        return "the tables have different genes"
    totals = [source.quantified.total for source in sources]
    if max(totals) > MOST_RATIO * min(totals):
        return f"the sums range from {min(totals):,.0f} to {max(totals):,.0f}"
    return ""
