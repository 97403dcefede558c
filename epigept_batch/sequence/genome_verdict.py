"""Judge by its contigs and sequence whether a genome suits a network. All commands report this verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.assemblies import (
    NCBI,
    aliases_of,
    assemblies,
    length_in,
    names_of,
    naming_of,
    of_accession,
    recognise,
    standard_name,
)
from epigept_batch.errors import InputError, one_line
from epigept_batch.sequence.composition import Composition, composition_of
from epigept_batch.sequence.regions import is_main
from epigept_batch.tiling import Region

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from epigept_batch.assemblies import Recognition
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig

OK, WARNING, FAILED = "ok", "warning", "failed"
NAMES_SHOWN = 5
ASSEMBLY, NAMES, CONTIGS, SELECTION, SEQUENCE = "assembly", "names", "contigs", "selection", "sequence"
MASKED = 0.05
"""Share of N outside of long runs from which a warning is given: hg38's chr22 has 0.0002, a hard-masked genome 0.5."""
RNA = 0.5
"""Share of U among T and U from which a sequence counts as RNA."""
KNOWN = f"known assembly ({', '.join(assemblies())})"
NOTHING_TO_PREDICT = "nothing to predict: the selected regions contain only N; select other regions"
SHORTER = "some contigs are shorter than the contigs of the same names that the network was trained on"


@dataclass(frozen=True)
class Remark:
    """A finding about a genome.

    Attributes:
        about: Its subject.
        state: `ok`, `warning`, or `failed` if the run is refused unless --any-genome is given.
        said: The finding.
        advice: What to do; empty if nothing needs doing.
        aloud: Whether a run prints it, and does not only record it.
    """

    about: str
    state: str
    said: str
    advice: str = ""
    aloud: bool = True

    @property
    def sentence(self) -> str:
        """The finding with the advice."""
        return f"{self.said}; {self.advice}" if self.advice else self.said


@dataclass(frozen=True)
class Verdict:
    """The result of judging a genome.

    Attributes:
        trained_on: The assembly that the network was trained on; None if that is not known.
        recognition: The assembly that the contigs indicate.
        remarks: The findings.
        composition: Letter counts of the sequence; None if there is no sequence, as with tracks.
        is_blank: Whether the whole sequence was examined and contains no base.
    """

    trained_on: str | None
    recognition: Recognition
    remarks: tuple[Remark, ...]
    composition: Composition | None = None
    is_blank: bool = False

    @property
    def state(self) -> str:
        """The worst state of the remarks."""
        states = {remark.state for remark in self.remarks}
        return next((state for state in (FAILED, WARNING) if state in states), OK)

    @property
    def refusals(self) -> tuple[Remark, ...]:
        """The remarks because of which a run is refused."""
        return tuple(remark for remark in self.remarks if remark.state == FAILED)

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences that a run prints."""
        return tuple(remark.sentence for remark in self.remarks if remark.aloud)

    def account(self) -> dict[str, Any]:
        """Return the verdict as JSON-compatible values."""
        letters = self.composition
        return {
            "state": self.state,
            "assembly": " or ".join(self.recognition.assemblies) or None,
            "trained_on": self.trained_on,
            "contigs_that_fit": dict(self.recognition.fits),
            "naming": self.recognition.naming,
            "sequence": None
            if letters is None
            else {
                "looked_at_bp": letters.looked_at,
                "no_base_outside_of_long_runs": round(letters.masked, 6),
                "u_among_t_and_u": round(letters.rna, 6),
            },
            "remarks": [
                {"about": one.about, "state": one.state, "said": one.said, "advice": one.advice} for one in self.remarks
            ],
        }


def trained_on(spec: Spec | None) -> str | None:
    """Return the assembly that a published network was trained on; None if it is not known.

    It is not known for the `dnase` network and for networks that users train.
    """
    name = "" if spec is None else spec.architecture.partition("-")[0]
    return name if name in assemblies() else None


def accept_genome(genome: Genome, regions: Sequence[Region], spec: Spec, *, chosen: bool, any_genome: bool) -> Verdict:
    """Judge a genome for prediction, and refuse one that does not suit the network.

    Args:
        genome: The sequence.
        regions: The selected regions.
        spec: The spec of the model file.
        chosen: Whether the user selected the regions.
        any_genome: Whether the user accepts any genome.

    Raises:
        InputError: The genome does not suit the network, and `any_genome` is not set; or it contains no base.
    """
    verdict = judge_genome(genome, regions, spec, chosen=chosen)
    if verdict.is_blank:
        raise InputError(NOTHING_TO_PREDICT, genome.path)
    for remark in verdict.refusals:
        if not any_genome:
            raise InputError(remark.sentence, genome.path)
    return verdict


def judge_genome(genome: Genome, regions: Sequence[Region], spec: Spec | None, *, chosen: bool) -> Verdict:
    """Judge a FASTA before a run.

    Args:
        genome: The FASTA.
        regions: The selected regions.
        spec: The spec of the network; None without a network.
        chosen: Whether the user selected the regions.
    """
    looked_at = _looked_at(genome, regions)
    composition = composition_of(genome, looked_at)
    whole = composition.looked_at == sum(region.end - region.start for region in looked_at)
    verdict = judge_contigs(genome.contigs, spec)
    remarks = [*verdict.remarks, *([] if spec is None else [_on_training_contigs(genome.contigs, spec)])]
    if not chosen and not any(map(is_main, genome.contigs)):
        remarks.append(
            Remark(
                SELECTION,
                OK,
                "every contig is selected, because none is chr1 to chr22, X or Y by its name or accession",
            )
        )
    remarks += _on_sequence(composition)
    is_blank = whole and not composition.bases
    return Verdict(verdict.trained_on, verdict.recognition, tuple(remarks), composition, is_blank=is_blank)


def _looked_at(genome: Genome, regions: Sequence[Region]) -> list[Region]:
    """Return whole main chromosomes and chosen contigs: the verdict is the same for any part of the chromosomes."""
    some = any(map(is_main, genome.contigs))
    chosen = {region.contig for region in regions}
    contigs = (one for one in genome.contigs if not some or is_main(one) or one.name in chosen)
    return [Region(contig.name, 0, contig.length) for contig in contigs]


def judge_contigs(contigs: Sequence[Contig], spec: Spec | None) -> Verdict:
    """Judge the assembly by the names and lengths of contigs, of a FASTA or of a track."""
    found, wanted = recognise(contigs), trained_on(spec)
    remarks = [_on_assembly(contigs, found, wanted), *_on_names(contigs, found)]
    return Verdict(wanted, found, tuple(remarks))


def windows_not_known(contigs: Sequence[Contig], compared: Sequence[Contig], spec: Spec) -> str | None:
    """Return why bins cannot be assigned to training windows; None if they can, or if no training windows are known.

    Args:
        contigs: All contigs of the genome.
        compared: The contigs whose bins are to be assigned.
        spec: The spec of the network.
    """
    if not spec.training_windows:
        return None
    assembly = trained_on(spec)
    if assembly is None:
        return SHORTER if any(_ends_early(contig, spec) for contig in compared) else None
    found = recognise(contigs)
    if assembly not in found.assemblies:
        return _on_assembly(contigs, found, assembly).said
    for contig in compared:
        if training_runs(contig, spec) and length_in(assembly, contig) != contig.length:
            return f"not every contig matches the assembly {assembly}: {_other_length(contig, assembly)}"
    return None


def _on_assembly(contigs: Sequence[Contig], found: Recognition, wanted: str | None) -> Remark:
    this = " or ".join(found.assemblies)
    if wanted is None:
        said = f"the contigs match {this} by {_fitting(found)}" if found.fits else f"the contigs match no {KNOWN}"
        return Remark(ASSEMBLY, OK, f"{said}; the network's training assembly is not known", aloud=False)
    advice = f"use the FASTA of {wanted}"
    if not found.fits:
        said = f"the network was trained on {wanted}, but this is another assembly or only a part of one"
        return Remark(ASSEMBLY, WARNING, f"{said}: {_why_none(contigs, wanted)}", advice)
    if wanted not in found.assemblies:
        said = f"the network was trained on {wanted}, but this is the assembly {this} by {_fitting(found)}"
        return Remark(ASSEMBLY, FAILED, said, f"{advice}, or add --any-genome to run anyway")
    others = [name for name in found.fits if name != wanted]
    if others and not found.by_mitochondria:
        numbers = " and ".join(f"{number} of {name}" for name, number in found.fits.items())
        return Remark(ASSEMBLY, WARNING, f"the contigs come from more than one assembly: {numbers}", advice)
    if found.misfits:
        said = f"not every contig matches the assembly {wanted}: {_other_length(found.misfits[0], wanted)}"
        return Remark(ASSEMBLY, WARNING, said, advice)
    return Remark(ASSEMBLY, OK, f"{wanted}, the network's training assembly, by {_fitting(found)}", aloud=False)


def _fitting(found: Recognition) -> str:
    """Say on how many contig lengths the recognition of an assembly rests."""
    number = max(found.fits.values())
    return f"the {'length' if number == 1 else 'lengths'} of {number} contig{'s' if number > 1 else ''}"


def _why_none(contigs: Sequence[Contig], wanted: str) -> str:
    """Say why contigs do not match an assembly: a chromosome has another length, or none is present."""
    for contig in contigs:
        if length_in(wanted, contig) is not None:
            return _other_length(contig, wanted)
    return f"no contig has the name or the length of a chromosome of {wanted}"


def _other_length(contig: Contig, assembly: str) -> str:
    of = next((one for one in of_accession(contig.name) if one.assembly != assembly), None)
    other = f", by its accession {of.name} of {of.assembly}," if of else ""
    return f"{one_line(contig.name)}{other} has {contig.length:,} bp instead of {length_in(assembly, contig):,}"


def _on_names(contigs: Sequence[Contig], found: Recognition) -> Iterator[Remark]:
    """Explain names that are not those of UCSC or Ensembl."""
    by_accession = [contig for contig in contigs if naming_of(contig.name) in NCBI]
    known = next((contig for contig in by_accession if aliases_of(contig)), None)
    unknown = next((contig for contig in by_accession if not aliases_of(contig)), None)
    if known is not None:
        name = standard_name(known)
        yield Remark(
            NAMES,
            OK,
            f"the contigs have NCBI accessions as names: {one_line(known.name)} is treated as {name}, for example; "
            f"options accept {name} or {name.removeprefix('chr')}, and tracks keep the FASTA's names",
        )
    if unknown is not None:
        said = f"{one_line(unknown.name)} with {unknown.length:,} bp is not a chromosome of a {KNOWN}"
        yield Remark(NAMES, WARNING, f"{said}, so it is known by this name only")
    for contig, chromosome in found.renamed[:1]:
        is_long_as = f"{chromosome.name} of {chromosome.assembly}"
        yield Remark(NAMES, OK, f"{one_line(contig.name)} has the length of {is_long_as}, but not its name")


def _on_training_contigs(contigs: Sequence[Contig], spec: Spec) -> Remark:
    """Check whether the contigs that the network was trained on are present, under any of their names."""
    trained, assembly = spec.training_windows, trained_on(spec)
    if not trained:
        said = "the network's training windows are not known, so contig names are not compared"
        return Remark(CONTIGS, OK, said, aloud=False)
    names = {name for contig in contigs for name in names_of(contig)}
    lacking = [name for name in trained if name not in names]
    if len(lacking) == len(trained):
        said = f"none of the {len(trained)} contigs that the network was trained on ({_some(trained)}) is in the FASTA"
        if assembly is None:
            return Remark(CONTIGS, OK, f"{said}: the network has not seen this genome", aloud=False)
        return Remark(CONTIGS, WARNING, said, f"use the FASTA of {assembly}, with contigs named chr1 or 1")
    if assembly is None and any(_ends_early(contig, spec) for contig in contigs):
        return Remark(
            CONTIGS, WARNING, SHORTER, "use the FASTA that it was trained on, unless the difference is intended"
        )
    said = f"{len(trained) - len(lacking)} of {len(trained)} contigs of the training windows are present"
    if lacking:
        return Remark(CONTIGS, WARNING, said, f"missing: {_some(lacking)}")
    return Remark(CONTIGS, OK, said, aloud=False)


def _some(names: Collection[str]) -> str:
    return ", ".join([*list(names)[:NAMES_SHOWN], *(["…"] if len(names) > NAMES_SHOWN else [])])


def training_runs(contig: Contig, spec: Spec) -> tuple[tuple[int, int], ...]:
    """Return the training windows [first, last) of a contig, looked up by any of its names."""
    return next((spec.training_windows[name] for name in names_of(contig) if name in spec.training_windows), ())


def _ends_early(contig: Contig, spec: Spec) -> bool:
    """Whether a contig ends before the last window that the network was trained on begins."""
    runs = training_runs(contig, spec)
    return bool(runs) and (runs[-1][1] - 1) * spec.geometry.window_bp >= contig.length


def _on_sequence(letters: Composition) -> Iterator[Remark]:
    """Judge the letters of the sequence."""
    if letters.rna >= RNA:
        yield Remark(
            SEQUENCE,
            FAILED,
            "the sequence is RNA: it has U instead of T, and U would be treated like N",
            "convert it to DNA, for example with sed '/^>/!y/Uu/Tt/', or add --any-genome to run anyway",
        )
    elif letters.rna:
        share = f"{letters.rna:.1%}"
        yield Remark(SEQUENCE, WARNING, f"{share} of T and U in the sequence are U, which is treated like N")
    if letters.masked >= MASKED:
        yield Remark(
            SEQUENCE,
            WARNING,
            f"outside of long runs of N, {letters.masked:.0%} of the sequence is N or not a base: is it hard-masked?",
            "use the soft-masked FASTA, because the network cannot see masked sequence",
        )
