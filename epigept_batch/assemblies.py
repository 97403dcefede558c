"""The chromosomes of known assemblies, by name, accession and length: which assembly contigs are of, and their names.

A name alone says little, since `chr1` is in every assembly. A contig is a chromosome of an assembly where its name and
its length are; no two of these assemblies share the length of a chromosome, mitochondria excepted.
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
"""Namings by accession."""
MITOCHONDRIA = frozenset({"chrM", "chrMT"})
"""The names of the only chromosomes whose lengths several assemblies share."""


@dataclass(frozen=True)
class Chromosome:
    """A chromosome of an assembly.

    Attributes:
        assembly: UCSC's name of it.
        name: UCSC's name, with `chr`.
        length: In bp.
        aliases: Other names, but for the one without `chr`.
    """

    assembly: str
    name: str
    length: int
    aliases: tuple[str, ...]

    @property
    def bare(self) -> str:
        """Its name without `chr`."""
        return self.name.removeprefix("chr")

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called."""
        return (self.name, self.bare, *self.aliases)


@dataclass(frozen=True)
class Recognition:
    """What contigs are, by their names and lengths.

    Attributes:
        fits: How many contigs are chromosomes of each assembly, the most first; only assemblies with any.
        by_mitochondria: Whether those are mitochondria, so that one contig counts for several assemblies.
        naming: Whose names most of the contigs bear that are named as chromosomes; None without such.
        misfits: Contigs named as a chromosome of the assembly that fits best, but of another length.
        renamed: Contigs with the length of a chromosome and a name that is none's, and that chromosome.
    """

    fits: Mapping[str, int]
    by_mitochondria: bool
    naming: str | None
    misfits: tuple[Contig, ...]
    renamed: tuple[tuple[Contig, Chromosome], ...]

    @property
    def assemblies(self) -> tuple[str, ...]:
        """Those that most contigs fit; several where they cannot be told apart."""
        most = max(self.fits.values(), default=0)
        return tuple(name for name, number in self.fits.items() if number == most)


@cache
def chromosomes() -> tuple[Chromosome, ...]:
    """All that are known, in the order of their assemblies."""
    text = resources.files("epigept_batch").joinpath("assemblies.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][1:]
    return tuple(
        Chromosome(assembly, name, int(length), tuple(names.split(","))) for assembly, name, length, names in rows
    )


@cache
def assemblies() -> tuple[str, ...]:
    """The names of those that are known."""
    return tuple(dict.fromkeys(chromosome.assembly for chromosome in chromosomes()))


@lru_cache(maxsize=1 << 16)
def names_of(contig: Contig) -> tuple[str, ...]:
    """A contig's name, and what files of others may call it, the likeliest first.

    With `chr` and without; and what the chromosome that it is has for names. By an accession of another version it is
    called only where its length says so.
    """
    bare = contig.name.removeprefix("chr")
    return tuple(dict.fromkeys([contig.name, f"chr{bare}", bare, *aliases_of(contig)]))


@lru_cache(maxsize=1 << 16)
def aliases_of(contig: Contig) -> tuple[str, ...]:
    """What a contig is called in another naming than its own: `chr1` and `1` for an accession, or the reverse."""
    known = _named_and_fitting(contig)
    names = [name for chromosome in known for name in chromosome.names]
    named_by_ncbi = naming_of(contig.name) in NCBI
    if not known:
        # The version of an accession says the assembly, so that the name holds for a piece of the chromosome, too.
        names = [name for chromosome in of_accession(contig.name) for name in (chromosome.name, chromosome.bare)]
    if not named_by_ncbi:
        bare = contig.name.removeprefix("chr")
        names = [name for name in names if name.removeprefix("chr") != bare]
    if not named_by_ncbi and any(chromosome.name in MITOCHONDRIA for chromosome in known):
        names = [name for name in names if "." not in name]  # the length is that of several sequences
    return tuple(dict.fromkeys(name for name in names if name != contig.name))


@lru_cache(maxsize=1 << 16)
def standard_name(contig: Contig) -> str:
    """UCSC's name of the chromosome that a contig is, else its own with `chr` and whatever is behind it."""
    if naming_of(contig.name) in NCBI:
        known = _named_and_fitting(contig) or of_accession(contig.name)
        if known:
            return known[0].name
    return f"chr{contig.name.removeprefix('chr')}"


def naming_of(name: str) -> str | None:
    """Whose name of a chromosome this is; None where it is none."""
    index = _by_name()
    for spelling in _spellings(name):
        if spelling in index:
            return UCSC if spelling.startswith("chr") else ENSEMBL
        if _base(spelling) in _by_base():
            return REFSEQ if spelling.startswith("NC_") else GENBANK
    return None


def length_in(assembly: str, contig: Contig) -> int | None:
    """The length of the chromosome of an assembly that a contig is named as; None where it is named as none."""
    return next((found.length for found in _named(contig.name) if found.assembly == assembly), None)


def of_accession(name: str) -> tuple[Chromosome, ...]:
    """The chromosomes of an accession with its version, which says the sequence; none for any other name."""
    for spelling in _spellings(name):
        found = [one for one in _by_base().get(_base(spelling), ()) if spelling in one.aliases]
        if found:
            return tuple(found)
    return ()


def recognise(contigs: Iterable[Contig]) -> Recognition:
    """Which assembly contigs are of.

    Chromosomes of the nucleus count, mitochondria only where there is none. A name that is no chromosome's does not
    speak against a length that is one's.
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
    """The chromosomes of this name; an accession's version does not matter."""
    for spelling in _spellings(name):
        found = _by_name().get(spelling) or _by_base().get(_base(spelling))
        if found:
            return tuple(found)
    return ()


def _named_and_fitting(contig: Contig) -> tuple[Chromosome, ...]:
    return tuple(found for found in _named(contig.name) if found.length == contig.length)


def _spellings(name: str) -> tuple[str, ...]:
    """A contig's name, and its parts in NCBI's older headers, as in `gi|568815597|ref|NC_000001.11|`."""
    return (name, *(part for part in name.split("|") if part)) if "|" in name else (name,)


def _base(accession: str) -> str:
    return accession.partition(".")[0]


@cache
def _by_name() -> Mapping[str, list[Chromosome]]:
    """Chromosomes by their names, with `chr` and without."""
    found: dict[str, list[Chromosome]] = {}
    for chromosome in chromosomes():
        names = (name for name in chromosome.names if "." not in name)
        for name in dict.fromkeys(spelled for bare in names for spelled in (bare, f"chr{bare.removeprefix('chr')}")):
            found.setdefault(name, []).append(chromosome)
    return found


@cache
def _by_base() -> Mapping[str, list[Chromosome]]:
    """Chromosomes by their accessions without the version."""
    found: dict[str, list[Chromosome]] = {}
    for chromosome in chromosomes():
        for name in chromosome.aliases:
            if "." in name:
                found.setdefault(_base(name), []).append(chromosome)
    return found


@cache
def _by_length() -> Mapping[int, Chromosome]:
    """Chromosomes of a length that no other has."""
    return {one.length: one for one in chromosomes() if one.name not in MITOCHONDRIA}
