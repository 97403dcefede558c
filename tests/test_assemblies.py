"""Which assembly contigs are of, against the tables of five assemblies, and what else they are called."""

from itertools import combinations

import pytest

from epigept_batch.assemblies import (
    MITOCHONDRIA,
    aliases_of,
    chromosomes,
    names_of,
    naming_of,
    recognise,
    standard_name,
)
from epigept_batch.tiling import Contig

ASSEMBLIES = ("hg38", "hg19", "hs1", "mm10", "mm39")
HUMAN = {*map(str, range(1, 23)), "X", "Y"}
HG38_1, HG19_1, HS1_1, MM10_1 = 248_956_422, 249_250_621, 248_387_328, 195_471_971
HG38_22, HG19_22 = 50_818_468, 51_304_566


def of(assembly, name=lambda chromosome: chromosome.name):
    """The contigs of an assembly, mitochondria apart, by names of some kind."""
    return [
        Contig(name(one), one.length)
        for one in chromosomes()
        if one.assembly == assembly and one.name not in MITOCHONDRIA
    ]


def accession(prefix):
    return lambda chromosome: next(name for name in chromosome.aliases if name.startswith(prefix))


NAMINGS = {
    "UCSC": lambda one: one.name,
    "Ensembl": lambda one: one.name.removeprefix("chr"),
    "RefSeq": accession("NC_"),
    "GenBank": accession("C"),
}


@pytest.mark.parametrize("assembly", ASSEMBLIES)
def test_the_table_is_that_of_the_published_lengths_and_accessions(shared, assembly):
    rows = [line.split("\t") for line in (shared / f"genome/seqinfo/{assembly}.seqinfo.tsv").read_text().splitlines()]
    expected = {row[0]: (int(row[1]), {row[0].removeprefix("chr"), *row[5].split(",")}) for row in rows[1:]}
    found = {one.name: one for one in chromosomes() if one.assembly == assembly}
    assert {name for name, row in zip(expected, rows[1:], strict=True) if row[2] == "assembled"} - {"chrEBV"} == set(
        found
    )
    for name, one in found.items():
        assert one.length == expected[name][0]
        assert {one.bare, *one.aliases} == expected[name][1]


def test_what_is_known_by_heart():
    lengths = {(one.assembly, one.name): one.length for one in chromosomes()}
    assert lengths["hg38", "chr1"] == HG38_1
    assert lengths["hg19", "chr1"] == HG19_1
    assert lengths["hs1", "chr1"] == HS1_1
    assert lengths["mm10", "chr1"] == MM10_1
    assert (lengths["hg19", "chrM"], lengths["hg38", "chrM"]) == (16_571, 16_569)
    for assembly in ("hg38", "hg19", "hs1"):
        assert {contig.name.removeprefix("chr") for contig in of(assembly)} == HUMAN


def test_no_two_chromosomes_share_a_length_but_for_mitochondria():
    for one, other in combinations(chromosomes(), 2):
        assert one.length != other.length or {one.name, other.name} <= MITOCHONDRIA


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("assembly", ASSEMBLIES)
def test_an_assembly_is_recognised_whole_and_by_any_chromosome_of_it(assembly, naming):
    contigs = of(assembly, NAMINGS[naming])
    found = recognise(contigs)
    assert (dict(found.fits), found.naming, found.misfits, found.renamed) == (
        {assembly: len(contigs)},
        naming,
        (),
        (),
    )
    for contig, chromosome in zip(contigs, of(assembly), strict=True):
        alone = recognise([contig, Contig("KI270302.1", 2_274)])
        assert (dict(alone.fits), alone.naming) == ({assembly: 1}, naming)
        assert standard_name(contig) == chromosome.name


def test_a_length_alone_is_enough_where_the_name_is_nobodys():
    found = recognise([Contig("Chr22", HG19_22), Contig("scaffold", 5)])
    assert found.assemblies == ("hg19",)
    assert [(contig.name, one.name) for contig, one in found.renamed] == [("Chr22", "chr22")]
    assert found.naming is None


@pytest.mark.parametrize(
    "contigs",
    [
        [("chr2", 2_333_275)],
        [("22", 22_000_000)],
        [("one", 20_000), ("two", 700)],
        [("chr1", HG38_22)],
        [("1", HG19_22)],
        [("NC_000001.11", 6_000)],
        [("NC_000001.9", 247_249_719)],
        [("chr1", HG38_1 - 1)],
        [("chr22", HG38_22 + 1)],
        [("chrM", 16_570)],
        [],
    ],
)
def test_pieces_and_other_lengths_are_of_none(contigs):
    found = recognise([Contig(*contig) for contig in contigs])
    assert (found.fits, found.assemblies, found.misfits, found.renamed) == ({}, (), (), ())


def test_mitochondria_tell_only_where_there_is_no_chromosome():
    assert recognise([Contig("MT", 16_569)]).assemblies == ("hg38", "hg19", "hs1")
    assert recognise([Contig("chrM", 16_571)]).assemblies == ("hg19",)
    assert recognise([Contig("NC_001807.4", 16_571)]).assemblies == ("hg19",)
    assert recognise([Contig("CP068254.1", 16_569)]).assemblies == ("hs1",)
    assert recognise([Contig("chrM", 16_299)]).assemblies == ("mm10", "mm39")
    whole = recognise([*of("hg19"), Contig("MT", 16_569)])
    assert (dict(whole.fits), whole.by_mitochondria) == ({"hg19": 24}, False)
    assert recognise([Contig("MT", 16_569)]).by_mitochondria


def test_two_assemblies_in_one_file_are_counted_apart():
    mixed = [*of("hg38"), *(Contig(f"mouse_{contig.name}", contig.length) for contig in of("mm10"))]
    found = recognise(mixed)
    assert dict(found.fits) == {"hg38": 24, "mm10": 21}
    assert found.assemblies == ("hg38",)


def test_a_chromosome_of_another_length_does_not_fit_the_rest():
    cut = Contig("chr2", 2_333_275)
    assert recognise([Contig("chr1", HG38_1), cut]).misfits == (cut,)


@pytest.mark.parametrize(
    ("name", "length", "aliases"),
    [
        ("chr1", HG38_1, {"NC_000001.11", "CM000663.2"}),
        ("1", HG38_1, {"NC_000001.11", "CM000663.2"}),
        ("chr1", HG19_1, {"NC_000001.10", "CM000663.1"}),
        ("X", 155_270_560, {"NC_000023.10", "CM000685.1"}),
        ("chr1", 6_000, set()),
        ("NC_000001.11", HG38_1, {"chr1", "1", "CM000663.2"}),
        ("CM000663.2", HG38_1, {"chr1", "1", "NC_000001.11"}),
        ("NC_060925.1", HS1_1, {"chr1", "1", "CP068277.2"}),
        ("NC_000067.6", MM10_1, {"chr1", "1", "CM000994.2"}),
        ("gi|568815597|ref|NC_000001.11|", HG38_1, {"chr1", "1", "CM000663.2", "NC_000001.11"}),
        # The version says which sequence a piece is of.
        ("NC_000001.11", 6_000, {"chr1", "1"}),
        ("CM000684.1", 6_000, {"chr22", "22"}),
        # Without it, or of another one, only the length does.
        ("NC_000001", 6_000, set()),
        ("NC_000001", HG38_1, {"chr1", "1", "CM000663.2", "NC_000001.11"}),
        ("NC_000001.9", 247_249_719, set()),
        ("NC_000001.12", HG38_1, {"chr1", "1", "CM000663.2", "NC_000001.11"}),
        ("NT_187361.1", 175_055, set()),
        ("scaffold", HG38_1, set()),
        ("HLA:1", 80, set()),
        # One length, several sequences.
        ("chrM", 16_569, {"MT"}),
        ("NC_012920.1", 16_569, {"chrM", "M", "MT", "chrMT", "J01415.2"}),
    ],
)
def test_what_else_a_contig_is_called(name, length, aliases):
    contig = Contig(name, length)
    assert set(aliases_of(contig)) == aliases
    bare = name.removeprefix("chr")
    assert names_of(contig)[0] == name
    assert set(names_of(contig)) == {name, bare, f"chr{bare}"} | aliases


@pytest.mark.parametrize(
    ("name", "length", "standard"),
    [
        ("chrX", 5, "chrX"),
        ("X", 5, "chrX"),
        ("NC_000023.11", 5, "chrX"),
        ("NC_000024.10", 57_227_415, "chrY"),
        ("NC_000023.9", 5, "chrNC_000023.9"),
        ("two", 5, "chrtwo"),
    ],
)
def test_the_standard_name(name, length, standard):
    assert standard_name(Contig(name, length)) == standard


@pytest.mark.parametrize(
    ("name", "naming"),
    [
        ("chr7", "UCSC"),
        ("7", "Ensembl"),
        ("MT", "Ensembl"),
        ("NC_000007.14", "RefSeq"),
        ("NC_000007", "RefSeq"),
        ("CM000669.2", "GenBank"),
        ("CP068271.2", "GenBank"),
        ("J01415.2", "GenBank"),
        ("chr23", None),
        ("NC_045512.2", None),
        ("Chr7", None),
        ("|", None),
        ("", None),
    ],
)
def test_whose_name_it_is(name, naming):
    assert naming_of(name) == naming
