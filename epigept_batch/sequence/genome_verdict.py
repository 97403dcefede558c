"""Whether a genome is one for a network, by its contigs and its sequence: what every command says of it."""

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
"""Share of N outside of long runs from which it is said; hg38's chr22 has 0.0002, a hard-masked genome half."""
RNA = 0.5
"""Share of U among T and U from which a sequence is RNA."""
KNOWN = f"known assembly ({', '.join(assemblies())})"
NOTHING_TO_PREDICT = "there is no base but N in the selected regions: nothing to predict"
SHORTER = "some contigs are shorter than those of their names that the network was trained on"


@dataclass(frozen=True)
class Remark:
    """What is to be said of a genome.

    Attributes:
        about: What it is about.
        state: `ok`, `warning`, or `failed` where a run is refused unless it is told to go on.
        said: What was found.
        advice: What to do; empty where there is nothing to.
        aloud: Whether a run says it, and not its record alone.
    """

    about: str
    state: str
    said: str
    advice: str = ""
    aloud: bool = True

    @property
    def sentence(self) -> str:
        """All of it."""
        return f"{self.said}; {self.advice}" if self.advice else self.said


@dataclass(frozen=True)
class Verdict:
    """What is known of a genome.

    Attributes:
        trained_on: The assembly that the network was trained on; None where that is not known.
        recognition: Of the contigs.
        remarks: What is to be said.
        composition: Of the sequence; None where there is none to look at, as with tracks.
        is_blank: Whether all of the sequence was looked at, and there is no base.
    """

    trained_on: str | None
    recognition: Recognition
    remarks: tuple[Remark, ...]
    composition: Composition | None = None
    is_blank: bool = False

    @property
    def state(self) -> str:
        """The worst of the remarks'."""
        states = {remark.state for remark in self.remarks}
        return next((state for state in (FAILED, WARNING) if state in states), OK)

    @property
    def refusals(self) -> tuple[Remark, ...]:
        """Why a run is refused."""
        return tuple(remark for remark in self.remarks if remark.state == FAILED)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a run says."""
        return tuple(remark.sentence for remark in self.remarks if remark.aloud)

    def account(self) -> dict[str, Any]:
        """What JSON can hold."""
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
    """The assembly that a published network was trained on; None where its genome may be another.

    Of the `dnase` network, and of those that users train, it is not known.
    """
    name = "" if spec is None else spec.architecture.partition("-")[0]
    return name if name in assemblies() else None


def accept_genome(genome: Genome, regions: Sequence[Region], spec: Spec, *, chosen: bool, any_genome: bool) -> Verdict:
    """What is to be said of a genome on which a network shall predict.

    Args:
        genome: The sequence.
        regions: Those selected.
        spec: Of the model file.
        chosen: Whether the user named them.
        any_genome: Whether the user means it, whatever it is.

    Raises:
        InputError: It is not one for the network, and not any is meant; or it has no base.
    """
    verdict = judge_genome(genome, regions, spec, chosen=chosen)
    if verdict.is_blank:
        raise InputError(NOTHING_TO_PREDICT, genome.path)
    for remark in verdict.refusals:
        if not any_genome:
            raise InputError(remark.sentence, genome.path)
    return verdict


def judge_genome(genome: Genome, regions: Sequence[Region], spec: Spec | None, *, chosen: bool) -> Verdict:
    """What is to be said of a FASTA before a run.

    Args:
        genome: The FASTA.
        regions: What of it is to be run.
        spec: Of the network; None without.
        chosen: Whether the user chose the regions.
    """
    looked_at = _looked_at(genome, regions)
    composition = composition_of(genome, looked_at)
    whole = composition.looked_at == sum(region.end - region.start for region in looked_at)
    verdict = judge_contigs(genome.contigs, spec)
    remarks = [*verdict.remarks, *([] if spec is None else [_on_training_contigs(genome.contigs, spec)])]
    if not chosen and not any(map(is_main, genome.contigs)):
        remarks.append(
            Remark(SELECTION, OK, "every contig is taken, since none is chr1 to chr22, X or Y by its name or accession")
        )
    remarks += _on_sequence(composition)
    is_blank = whole and not composition.bases
    return Verdict(verdict.trained_on, verdict.recognition, tuple(remarks), composition, is_blank=is_blank)


def _looked_at(genome: Genome, regions: Sequence[Region]) -> list[Region]:
    """Of what letters are counted: the same whatever part of the chromosomes is chosen, so that all say the same."""
    some = any(map(is_main, genome.contigs))
    chosen = {region.contig for region in regions}
    contigs = (one for one in genome.contigs if not some or is_main(one) or one.name in chosen)
    return [Region(contig.name, 0, contig.length) for contig in contigs]


def judge_contigs(contigs: Sequence[Contig], spec: Spec | None) -> Verdict:
    """What the names and lengths of contigs say of an assembly, be they of a FASTA or of a track."""
    found, wanted = recognise(contigs), trained_on(spec)
    remarks = [_on_assembly(contigs, found, wanted), *_on_names(contigs, found)]
    return Verdict(wanted, found, tuple(remarks))


def windows_not_known(contigs: Sequence[Contig], compared: Sequence[Contig], spec: Spec) -> str | None:
    """Why it cannot be told which bins of contigs lie in windows of the training; None where it can, or none are known.

    Args:
        contigs: All of the genome.
        compared: Those of which bins are to be told apart.
        spec: Of the network.
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
            return f"not every contig is as in the assembly {assembly}: {_other_length(contig, assembly)}"
    return None


def _on_assembly(contigs: Sequence[Contig], found: Recognition, wanted: str | None) -> Remark:
    this = " or ".join(found.assemblies)
    if wanted is None:
        said = (
            f"the contigs are those of {this}, by {_fitting(found)}" if found.fits else f"the contigs are of no {KNOWN}"
        )
        return Remark(ASSEMBLY, OK, f"{said}; which assembly the network was trained on is not known", aloud=False)
    advice = f"give the FASTA of {wanted}"
    if not found.fits:
        said = f"the network was trained on {wanted}, and this is of another assembly, or of a part"
        return Remark(ASSEMBLY, WARNING, f"{said}: {_why_none(contigs, wanted)}", advice)
    if wanted not in found.assemblies:
        said = f"the network was trained on {wanted}, and this is of the assembly {this}, by {_fitting(found)}"
        return Remark(ASSEMBLY, FAILED, said, f"{advice}, or --any-genome to run it all the same")
    others = [name for name in found.fits if name != wanted]
    if others and not found.by_mitochondria:
        numbers = " and ".join(f"{number} of {name}" for name, number in found.fits.items())
        return Remark(ASSEMBLY, WARNING, f"contigs are of more than one assembly, {numbers}", advice)
    if found.misfits:
        said = f"not every contig is as in the assembly {wanted}: {_other_length(found.misfits[0], wanted)}"
        return Remark(ASSEMBLY, WARNING, said, advice)
    return Remark(ASSEMBLY, OK, f"{wanted}, as the network's, by {_fitting(found)}", aloud=False)


def _fitting(found: Recognition) -> str:
    """By how much of it an assembly is known."""
    number = max(found.fits.values())
    return f"the {'length' if number == 1 else 'lengths'} of {number} contig{'s' if number > 1 else ''}"


def _why_none(contigs: Sequence[Contig], wanted: str) -> str:
    """What speaks against an assembly: a chromosome's other length, or that there is none."""
    for contig in contigs:
        if length_in(wanted, contig) is not None:
            return _other_length(contig, wanted)
    return f"no contig has the name or the length of a chromosome of {wanted}"


def _other_length(contig: Contig, assembly: str) -> str:
    of = next((one for one in of_accession(contig.name) if one.assembly != assembly), None)
    other = f", by its accession {of.name} of {of.assembly}," if of else ""
    return f"{one_line(contig.name)}{other} has {contig.length:,} bp instead of {length_in(assembly, contig):,}"


def _on_names(contigs: Sequence[Contig], found: Recognition) -> Iterator[Remark]:
    """What names mean, where they are not those of UCSC or Ensembl."""
    by_accession = [contig for contig in contigs if naming_of(contig.name) in NCBI]
    known = next((contig for contig in by_accession if aliases_of(contig)), None)
    unknown = next((contig for contig in by_accession if not aliases_of(contig)), None)
    if known is not None:
        name = standard_name(known)
        yield Remark(
            NAMES,
            OK,
            f"contigs are named by NCBI's accessions: {one_line(known.name)} is taken for {name}, and so on; what is "
            f"chosen may be called {name} or {name.removeprefix('chr')}, and tracks keep the FASTA's names",
        )
    if unknown is not None:
        said = f"{one_line(unknown.name)} with {unknown.length:,} bp is a chromosome of no {KNOWN}"
        yield Remark(NAMES, WARNING, f"{said}, so only this name is known for it")
    for contig, chromosome in found.renamed[:1]:
        is_long_as = f"{chromosome.name} of {chromosome.assembly}"
        yield Remark(NAMES, OK, f"{one_line(contig.name)} has the length of {is_long_as}, but not its name")


def _on_training_contigs(contigs: Sequence[Contig], spec: Spec) -> Remark:
    """Whether the contigs that the network was trained on are there, by any of their names."""
    trained, assembly = spec.training_windows, trained_on(spec)
    if not trained:
        said = "the network's training windows are not known, so names are not compared"
        return Remark(CONTIGS, OK, said, aloud=False)
    names = {name for contig in contigs for name in names_of(contig)}
    lacking = [name for name in trained if name not in names]
    if len(lacking) == len(trained):
        said = f"none of the {len(trained)} contigs that the network was trained on ({_some(trained)}) is in the FASTA"
        if assembly is None:
            return Remark(CONTIGS, OK, f"{said}: a genome that it has not seen", aloud=False)
        return Remark(CONTIGS, WARNING, said, f"give the FASTA of {assembly}, with contigs named chr1 or 1")
    if assembly is None and any(_ends_early(contig, spec) for contig in contigs):
        return Remark(CONTIGS, WARNING, SHORTER, "give the FASTA that it was trained on, unless another is meant")
    said = f"{len(trained) - len(lacking)} of {len(trained)} contigs of the training windows are there"
    if lacking:
        return Remark(CONTIGS, WARNING, said, f"lacking: {_some(lacking)}")
    return Remark(CONTIGS, OK, said, aloud=False)


def _some(names: Collection[str]) -> str:
    return ", ".join([*list(names)[:NAMES_SHOWN], *(["…"] if len(names) > NAMES_SHOWN else [])])


def training_runs(contig: Contig, spec: Spec) -> tuple[tuple[int, int], ...]:
    """The windows [first, last) of a contig that the network was trained on, by any of the contig's names."""
    return next((spec.training_windows[name] for name in names_of(contig) if name in spec.training_windows), ())


def _ends_early(contig: Contig, spec: Spec) -> bool:
    """Whether a contig ends before the last window that the network was trained on begins."""
    runs = training_runs(contig, spec)
    return bool(runs) and (runs[-1][1] - 1) * spec.geometry.window_bp >= contig.length


def _on_sequence(letters: Composition) -> Iterator[Remark]:
    """What the letters say."""
    if letters.rna >= RNA:
        yield Remark(
            SEQUENCE,
            FAILED,
            "the sequence is RNA: it has U for T, which would be taken for no base",
            "give DNA, as from sed '/^>/!y/Uu/Tt/', or --any-genome to run it all the same",
        )
    elif letters.rna:
        share = f"{letters.rna:.1%}"
        yield Remark(SEQUENCE, WARNING, f"of T and U in the sequence {share} are U, which is taken for no base")
    if letters.masked >= MASKED:
        yield Remark(
            SEQUENCE,
            WARNING,
            f"{letters.masked:.0%} of the sequence outside of long runs of N is N, or else no base: is it hard-masked?",
            "give the soft-masked FASTA, since the network cannot see what is masked",
        )
