"""Tables that a user names, to the samples of a run and an account of each."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.inputs.expression.factor_tpm import mean_of
from epigept_batch.inputs.expression.plausibility import FEW, Verdict, is_normalised, judge_normalised
from epigept_batch.inputs.expression.pseudobulk import Pseudobulk
from epigept_batch.inputs.expression.tables import is_hdf5
from epigept_batch.inputs.expression.tabular import TextQuantification
from epigept_batch.inputs.expression.transcripts import read_transcript_map
from epigept_batch.inputs.expression.vector import nearest_cell
from epigept_batch.names import can_be_file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from epigept_batch.inputs.expression.factor_tpm import FactorTPM
    from epigept_batch.inputs.expression.quantification import Quantification, Quantified
    from epigept_batch.inputs.expression.vector import NearestCell
    from epigept_batch.sample_request import SampleRequest
    from epigept_batch.spec import ExpressionReference

KNOWN_ENDINGS = (".tsv", ".csv", ".txt", ".tab", ".sf", ".gct", ".h5ad", ".results", ".genes", ".gz")
NAMES_SHOWN = 5
MOST_REPEATED = 0.2
"""Share of the factors with several rows above which rows cannot be genes."""
UNLIKE = 0.3
"""Rank correlation with the nearest training cell below which a sample is like none of them; real tissues have 0.6 or
more with each other, shuffled genes 0.1 at most."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where a sample's values come from.

    Attributes:
        path: The file.
        column: The sample's name in it, None where the file is one sample.
        quantified: What was read.
        verdict: What the values are.
    """

    path: Path
    column: str | None
    quantified: Quantified
    verdict: Verdict

    def account(self) -> dict[str, Any]:
        """What JSON can hold of it."""
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
        name: Its name, fit for a file's.
        sources: Its table, or those of its replicates.
        tpm: The factors' TPM.
        nearest: The training cell most like it; None without a reference.
        notes: What a user should know, a sentence each.
    """

    name: str
    sources: tuple[Source, ...]
    tpm: FactorTPM
    nearest: NearestCell | None
    notes: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it comes from, each once."""
        return tuple(dict.fromkeys(source.path for source in self.sources))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The notes, and which factors are missing."""
        missing, factors = self.tpm.missing, len(self.tpm.factors)
        if not missing:
            return self.notes
        found = f"{factors - len(missing)} of {factors} factors found"
        return (*self.notes, f"{found}; missing, counted as TPM 0: {', '.join(missing)}")

    def account(self) -> dict[str, Any]:
        """What JSON can hold of it."""
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
            },
            "nearest_cell": nearest and {"cell": nearest.cell, "r": nearest.r, "median_r": nearest.median_r},
            "notes": self.notes,
        }


@dataclass(frozen=True, eq=False)
class _Choice:
    """A sample of a file, with the name it is to have."""

    name: str
    file: Quantification
    number: int


def read_samples(
    request: SampleRequest, factors: Sequence[str], reference: ExpressionReference | None
) -> tuple[SampleExpression, ...]:
    """Read the samples that are wanted, in the order of the tables.

    Args:
        request: Which.
        factors: Names, in the network's order.
        reference: The training cells; None where there are none to compare with.

    Raises:
        InputError: A table cannot be read, lacks factors, or holds no TPM; samples of one name, or none.
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
    return tuple(_sample(name, group, reference) for name, group in groups)


def sample_name(path: Path) -> str:
    """A table's name without its folder and its known endings."""
    name = path.name
    while ending := next((e for e in KNOWN_ENDINGS if name.lower().endswith(e)), None):
        name = name[: -len(ending)]
    return name


def _choose(request: SampleRequest) -> list[_Choice]:
    """The samples wanted."""
    offered = [
        (_Choice(column or name or sample_name(path), file, number), name)
        for (name, path), file in zip(request.tables, _open(request), strict=True)
        for number, column in enumerate(file.names)
    ]
    _check_wanted(request.samples, [choice.name for choice, _ in offered])
    chosen = [(c, given) for c, given in offered if not request.samples or c.name in request.samples]
    named = [_Choice(_named(c, given, chosen), c.file, c.number) for c, given in chosen]
    if request.merge is None:
        _check_names(named)
    elif not can_be_file_name(request.merge):
        raise InputError(f"--merge {request.merge}: cannot be a sample's name, which is that of files")
    return named


def _open(request: SampleRequest) -> list[Quantification]:
    """The tables, their first lines read."""
    files: list[Quantification] = [
        Pseudobulk(path, request.group_by)
        if is_hdf5(path)
        else TextQuantification(path, normalised=request.normalised, wanted=request.samples)
        for _, path in request.tables
    ]
    if request.group_by is not None and not any(isinstance(file, Pseudobulk) for file in files):
        raise InputError(f"--group-by {request.group_by}: is for cells of an .h5ad, and there is none; leave it out")
    return files


def _check_wanted(wanted: Iterable[str], offered: Sequence[str]) -> None:
    for name in wanted:
        if name not in offered:
            near = difflib.get_close_matches(name, offered, n=1)
            some = ", ".join(offered[:NAMES_SHOWN]) + (", …" if len(offered) > NAMES_SHOWN else "")
            hint = f"did you mean '{near[0]}'?" if near else f"the tables have {some}"
            raise InputError(f"--sample {name}: no table has a sample of this name; {hint}")


def _named(choice: _Choice, given: str | None, chosen: Sequence[tuple[_Choice, str | None]]) -> str:
    """The name that a sample is to have: one that was given for its file goes before that of its column."""
    if given is None:
        return choice.name.replace("/", "_") if choice.file.names[choice.number] else choice.name
    samples = sum(other.file is choice.file for other, _ in chosen)
    if samples > 1:
        raise InputError(
            f"has {samples} samples and one name, '{given}'; pick one by --sample, or leave the name out",
            choice.file.path,
        )
    return given


def _check_names(choices: Sequence[_Choice]) -> None:
    for choice in choices:
        if not can_be_file_name(choice.name):
            name = choice.file.names[choice.number] or choice.name
            pick = f" and --sample '{name}'" if len(choice.file.names) > 1 else ""
            raise InputError(
                f"has a sample '{name}', which cannot be a file's name; give --tpm NAME=FILE{pick}",
                choice.file.path,
            )
    name, times = Counter(choice.name for choice in choices).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"there are {times} samples '{name}'; name one by --tpm NAME=FILE, or average replicates by --merge NAME"
        )


def _check_found(file: Quantification, tpm: FactorTPM, max_missing: float) -> None:
    """See that enough factors are found, and say what the ids are where they are not."""
    factors, missing = tpm.factors, tpm.missing
    if len(tpm.several) > MOST_REPEATED * len(factors):
        some = ", ".join(tpm.several[:NAMES_SHOWN])
        raise InputError(
            f"has several rows for {len(tpm.several)} of {len(factors)} factors ({some}, …): transcripts? Name their "
            "column transcript_id to have them summed, or sum them to genes",
            file.path,
        )
    if len(missing) <= max_missing * len(factors) and len(missing) < len(factors):
        return
    if (said := file.why_not_found(factors)) is not None:
        raise InputError(said, file.path)
    if len(missing) == len(factors):
        raise InputError(
            "has no column with human gene ids; give a table of genes, by Ensembl gene id (ENSG…) or symbol", file.path
        )
    shown = ", ".join(missing[:NAMES_SHOWN]) + (", …" if len(missing) > NAMES_SHOWN else "")
    raise InputError(
        f"only {len(factors) - len(missing)} of {len(factors)} factors are found (missing: {shown}); at least "
        f"{1 - max_missing:.0%} are needed: give a table of all human genes, or allow more by --max-missing",
        file.path,
    )


def _checked(
    choice: _Choice, quantified: Quantified, reference: ExpressionReference | None, *, normalised: bool
) -> Source:
    """A sample whose values can be used."""
    column = choice.file.names[choice.number]
    of = f"sample '{column}' " if len(choice.file.names) > 1 else ""
    if not quantified.tpm.tpm.any():
        raise InputError(f"{of}has TPM 0 for every factor; give a table of a sequenced sample", choice.file.path)
    verdict = _verdict(quantified, reference, normalised=normalised)
    if verdict.refused:
        raise InputError(f"{of}{verdict.note}", choice.file.path)
    return Source(choice.file.path, column, quantified, verdict)


def _verdict(quantified: Quantified, reference: ExpressionReference | None, *, normalised: bool) -> Verdict:
    if not normalised:
        if reference is not None and is_normalised(quantified.tpm.tpm, reference):
            return Verdict("quantile-normalised", "the factors' TPM are normalised already, which changes nothing")
        return quantified.verdict
    if reference is None:
        return Verdict("quantile-normalised, by the user's word")
    return judge_normalised(quantified.tpm.tpm, quantified.verdict, reference)


def _sample(name: str, sources: tuple[Source, ...], reference: ExpressionReference | None) -> SampleExpression:
    tpm = sources[0].quantified.tpm if len(sources) == 1 else _merged(sources)
    nearest = None if reference is None else nearest_cell(tpm.tpm, reference)
    notes = [
        note if len(sources) == 1 else f"{source.path.name}: {note}"
        for source in sources
        for note in (source.verdict.note, *source.quantified.notes)
        if note
    ]
    if tpm.several:
        notes.append(f"several rows were averaged for {', '.join(tpm.several)}")
    partly = [
        name
        for name in tpm.factors
        if name not in tpm.missing and any(name in s.quantified.tpm.missing for s in sources)
    ]
    if partly:
        notes.append(f"the mean leaves out the tables that lack {', '.join(partly)}")
    if nearest is not None and nearest.r < UNLIKE and len(tpm.factors) >= FEW:
        notes.append(f"like no training cell: the nearest, {nearest.cell}, has a rank correlation of {nearest.r:.2f}")
    return SampleExpression(name, sources, tpm, nearest, notes=tuple(dict.fromkeys(notes)))


def _merged(sources: Sequence[Source]) -> FactorTPM:
    """The mean of replicates.

    Raises:
        InputError: They are not of one scale.
    """
    for source in sources:
        if not source.verdict.of_one_scale:
            raise InputError(
                f"is {source.verdict.kind} by its sum, {source.quantified.total:,.0f}, and cannot be averaged with "
                "others; give TPM",
                source.path,
            )
    return mean_of([source.quantified.tpm for source in sources])
