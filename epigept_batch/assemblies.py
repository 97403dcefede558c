"""The chromosomes of known assemblies by name, accession and length, to tell which assembly contigs belong to.

A name alone says little, since every assembly has a `chr1`. A contig counts as a chromosome of an assembly where both
its name and its length match. Apart from mitochondria, no two of these assemblies share the length of a chromosome.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from epigept_batch.tiling import Contig

UCSC, ENSEMBL, REFSEQ, GENBANK = "UCSC", "Ensembl", "RefSeq", "GenBank"
NCBI = frozenset({REFSEQ, GENBANK})
"""The naming schemes that use accessions."""
MITOCHONDRIA = frozenset({"chrM", "chrMT"})
"""Names of the mitochondrial chromosome, the only one whose length several assemblies share."""


@dataclass(frozen=True)
class Chromosome:
    """A chromosome of an assembly.

    Attributes:
        assembly: UCSC's name of the assembly.
        name: UCSC's name, with `chr`.
        length: In bp.
        aliases: Other names, except for the one without `chr`.
    """

    assembly: str
    name: str
    length: int
    aliases: tuple[str, ...]

    @property
    def bare(self) -> str:
        """The name without `chr`."""
        return self.name.removeprefix("chr")

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the chromosome."""
        return (self.name, self.bare, *self.aliases)


@dataclass(frozen=True)
class Recognition:
    """What the names and lengths of contigs say about their assembly.

    Attributes:
        fits: Number of contigs that are chromosomes of each assembly, in descending order; only assemblies with any.
        by_mitochondria: Whether only mitochondria match, so that one contig may count for several assemblies.
        naming: The naming scheme of most contigs that have a chromosome's name; None if no contig has one.
        misfits: Contigs with the name of a chromosome of the best-fitting assembly but with another length.
        renamed: Contigs with the length of a chromosome but an unknown name, each with that chromosome.
    """

    fits: Mapping[str, int]
    by_mitochondria: bool
    naming: str | None
    misfits: tuple[Contig, ...]
    renamed: tuple[tuple[Contig, Chromosome], ...]

    @property
    def assemblies(self) -> tuple[str, ...]:
        """The best-fitting assemblies; several where they cannot be told apart."""
        most = max(self.fits.values(), default=0)
        return tuple(name for name, number in self.fits.items() if number == most)


@cache
def chromosomes() -> tuple[Chromosome, ...]:
    """Return all known chromosomes, ordered by assembly."""
    text = resources.files("epigept_batch").joinpath("assemblies.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][1:]
    return tuple(
        Chromosome(assembly, name, int(length), tuple(names.split(","))) for assembly, name, length, names in rows
    )


@cache
def assemblies() -> tuple[str, ...]:
    """Return the names of the known assemblies."""
    return tuple(dict.fromkeys(chromosome.assembly for chromosome in chromosomes()))


@lru_cache(maxsize=1 << 16)
def names_of(contig: Contig) -> tuple[str, ...]:
    """Return the names that a file may use for a contig, the most likely first.

    These are its own name, with and without `chr`, and the other names of the chromosome that it is. An accession of
    another version counts only where the length matches.
    """
    bare = contig.name.removeprefix("chr")
    return tuple(dict.fromkeys([contig.name, f"chr{bare}", bare, *aliases_of(contig)]))


@lru_cache(maxsize=1 << 16)
def aliases_of(contig: Contig) -> tuple[str, ...]:
    """Return a contig's names in other naming schemes: `chr1` and `1` for an accession, or the reverse."""
    known = _named_and_fitting(contig)
    names = [name for chromosome in known for name in chromosome.names]
    named_by_ncbi = naming_of(contig.name) in NCBI
    if not known:
        # A versioned accession identifies the assembly, so the name also holds for a part of the chromosome.
        names = [name for chromosome in of_accession(contig.name) for name in (chromosome.name, chromosome.bare)]
    if not named_by_ncbi:
        bare = contig.name.removeprefix("chr")
        names = [name for name in names if name.removeprefix("chr") != bare]
    if not named_by_ncbi and any(chromosome.name in MITOCHONDRIA for chromosome in known):
        names = [name for name in names if "." not in name]  # several sequences have this length
    return tuple(dict.fromkeys(name for name in names if name != contig.name))


@lru_cache(maxsize=1 << 16)
def standard_name(contig: Contig) -> str:
    """Return UCSC's name of the chromosome that a contig is, else the contig's own name with `chr` in front."""
    if naming_of(contig.name) in NCBI:
        known = _named_and_fitting(contig) or of_accession(contig.name)
        if known:
            return known[0].name
    return f"chr{contig.name.removeprefix('chr')}"


def naming_of(name: str) -> str | None:
    """Return the naming scheme that a chromosome's name belongs to; None if it is not a chromosome's name."""
    index = _by_name()
    for spelling in _spellings(name):
        if spelling in index:
            return UCSC if spelling.startswith("chr") else ENSEMBL
        if _base(spelling) in _by_base():
            return REFSEQ if spelling.startswith("NC_") else GENBANK
    return None


def name_in(lengths: Mapping[str, int], contig: Contig) -> str | None:
    """Return the name that a file uses for a contig; None if the file does not have it.

    Args:
        lengths: The file's contigs: lengths in bp, by name.
        contig: A contig of the genome.

    Raises:
        ValueError: The contig has another length in the file; the message says so.
    """
    found = {name: lengths[name] for name in names_of(contig) if name in lengths}
    for name, length in found.items():
        if length == contig.length:
            return name
    for name, length in found.items():
        if not _is_another_mitochondrion(name, contig):
            raise ValueError(f"{name} has {length:,} bp, but {contig.length:,} in the genome")
    return None


def _is_another_mitochondrion(name: str, contig: Contig) -> bool:
    """Whether a name may mean another sequence: hg19's chrM is not GRCh37's MT, although all else agrees."""
    bare = contig.name.removeprefix("chr")
    return f"chr{name.removeprefix('chr')}" in MITOCHONDRIA and name.removeprefix("chr") != bare


def length_in(assembly: str, contig: Contig) -> int | None:
    """Return the length of the chromosome in an assembly that has a contig's name; None if there is no such one."""
    return next((found.length for found in _named(contig.name) if found.assembly == assembly), None)


def of_accession(name: str) -> tuple[Chromosome, ...]:
    """Return the chromosomes with a versioned accession, which identifies the sequence; empty for any other name."""
    for spelling in _spellings(name):
        found = [one for one in _by_base().get(_base(spelling), ()) if spelling in one.aliases]
        if found:
            return tuple(found)
    return ()


def recognise(contigs: Iterable[Contig]) -> Recognition:
    """Tell which assembly contigs belong to.

    Nuclear chromosomes count; mitochondria count only where no nuclear chromosome matches. A contig with the length of
    a chromosome counts as one even if its name is not a chromosome's.
    """
    nuclear: Counter[str] = Counter()
    mitochondrial: Counter[str] = Counter()
    namings: Counter[str] = Counter()
    unfit, renamed = [], []
    for contig in contigs:
        named, fitting = _named(contig.name), _named_and_fitting(contig)
        if naming := naming_of(contig.name):
            namings[naming] += 1
        if named and not fitting:
            unfit.append(contig)
        if not named and contig.length in _by_length():
            fitting = (_by_length()[contig.length],)
            renamed.append((contig, *fitting))
        for assembly in dict.fromkeys(found.assembly for found in fitting):
            (mitochondrial if fitting[0].name in MITOCHONDRIA else nuclear)[assembly] += 1
    fits = dict((nuclear or mitochondrial).most_common())
    best = next(iter(fits), "")
    return Recognition(
        fits=fits,
        by_mitochondria=not nuclear,
        naming=namings.most_common(1)[0][0] if namings else None,
        misfits=tuple(contig for contig in unfit if length_in(best, contig) is not None),
        renamed=tuple(renamed),
    )


def _named(name: str) -> tuple[Chromosome, ...]:
    """Return the chromosomes with this name; the version of an accession does not matter."""
    for spelling in _spellings(name):
        found = _by_name().get(spelling) or _by_base().get(_base(spelling))
        if found:
            return tuple(found)
    return ()


def _named_and_fitting(contig: Contig) -> tuple[Chromosome, ...]:
    return tuple(found for found in _named(contig.name) if found.length == contig.length)


def _spellings(name: str) -> tuple[str, ...]:
    """Return a contig's name and its parts, as in NCBI's older headers `gi|568815597|ref|NC_000001.11|`."""
    return (name, *(part for part in name.split("|") if part)) if "|" in name else (name,)


def _base(accession: str) -> str:
    return accession.partition(".")[0]


@cache
def _by_name() -> Mapping[str, list[Chromosome]]:
    """Index chromosomes by name, with and without `chr`."""
    found: dict[str, list[Chromosome]] = {}
    for chromosome in chromosomes():
        names = (name for name in chromosome.names if "." not in name)
        for name in dict.fromkeys(spelled for bare in names for spelled in (bare, f"chr{bare.removeprefix('chr')}")):
            found.setdefault(name, []).append(chromosome)
    return found


@cache
def _by_base() -> Mapping[str, list[Chromosome]]:
    """Index chromosomes by accession, without the version."""
    found: dict[str, list[Chromosome]] = {}
    for chromosome in chromosomes():
        for name in chromosome.aliases:
            if "." in name:
                found.setdefault(_base(name), []).append(chromosome)
    return found


@cache
def _by_length() -> Mapping[int, Chromosome]:
    """Index chromosomes by length, without mitochondria, whose length is not unique."""
    return {one.length: one for one in chromosomes() if one.name not in MITOCHONDRIA}
