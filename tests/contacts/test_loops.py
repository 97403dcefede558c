"""Loops and labelled pairs: what is read, what is counted, and what is refused by line."""

import gzip
import re

import pytest

from epigept_batch.contacts.loops import Anchors, is_pair_table, read_labelled_pairs, read_loops
from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig, Region

CONTIGS = [Contig("chr21", 46_709_983), Contig("chr22", 50_818_468)]
HEADER = "chrom\tchromStart\tchromEnd\tEffectSize\tstartTSS\tendTSS\tRegulated\n"


def anchors(first, second, contig="chr22"):
    return Anchors(Region(contig, *first), Region(contig, *second))


def test_loops_with_comments_a_header_both_orders_and_other_contigs(write):
    path = write(
        "#chr1\tx1\tx2\tchr2\ty1\ty2\n"
        "track name=loops\n"
        "BIN1_CHR\tBIN1_START\tBIN1_END\tBIN2_CHROMOSOME\tBIN2_START\tBIN2_END\tFDR\n"
        "chr22\t300\t400\tchr22\t100\t200\tname\t5\n"
        "22\t100\t200\t22\t300\t400\n"
        "CM000684.2\t100\t200\tNC_000022.11\t300\t400\n"
        "chr22\t1\t2\tchr21\t1\t2\n"
        "chr7\t1\t2\tchr7\t1\t2\n"
        ".\t-1\t-1\tchr22\t1\t2\n"
        "chr22\t50818400\t50818500\tchr22\t50818468\t50818470\n"
        "chr22\t50818400\t50818500\tchr22\t50818000\t50818100\n",
        "loops.bedpe",
    )
    found = read_loops(path, CONTIGS)
    assert found.loops == (
        *[anchors((100, 200), (300, 400))] * 3,
        anchors((50818000, 50818100), (50818400, 50818468)),
    )
    assert (found.trans, found.elsewhere, found.beyond) == (1, 2, 1)


def test_gzip_and_spaces(write):
    path = write(gzip.compress(b"chr22 1 2 chr22 5 6\r\n"), "loops.bedpe.gz")
    assert read_loops(path, CONTIGS).loops == (anchors((1, 2), (5, 6)),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "loops.bedpe: no loop in the file"),
        ("#chr1\n", "no loop in the file"),
        ("chr22\t1\t2\n", "loops.bedpe:1: not two anchors"),
        ("chr22\t1\t2\tchr22\t5\t6\nchr22\tx\ty\tchr22\tz\tw\n", "loops.bedpe:2: not two anchors"),
        ("chr22\t1\t2\tchr22\t5.5\t6\n", "loops.bedpe:1: not two anchors"),
        ("chr22\t1\t2\tchr22\t6\t5\n", "loops.bedpe:1: anchor chr22 6 5 is reversed or empty"),
        ("chr22\t-1\t2\tchr22\t6\t7\n", "loops.bedpe:1: not two anchors"),
        (
            "chr7\t1\t2\tchr7\t5\t6\n",
            "no loop on the contigs of the map (chr21, chr22), only on chr7: 1 on other contigs",
        ),
        ("chr21\t1\t2\tchr22\t5\t6\n", "only on chr21, chr22: 1 between contigs"),
        ("chr22\t1\t2\tchr22\t99999999\t999999999\n", "1 beyond the end of a contig"),
        (b"\x00\xff\xfe", "BEDPE file cannot be read: not a text file"),
    ],
)
def test_loops_that_cannot_be_used(write, content, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_loops(write(content, "loops.bedpe"), CONTIGS)


def test_labelled_pairs(write):
    path = write(
        HEADER + "chr22\t100\t200\t-1\t900\t901\tTRUE\n"
        "22\t1000\t1100\t0\t900\t901\tFALSE\n"
        "chr22\t100\t200\tNA\t900\t901\tNA\n"
        "chr22\t100\t200\tNA\tNA\tNA\tTRUE\n"
        "chr7\t100\t200\t0\t900\t901\tfalse\n"
        "chr22\t60000000\t60000001\t0\t900\t901\t1\n"
        "chr21\t100\t200\t0\t900\t901\t0\n",
        "pairs.tsv",
    )
    found = read_labelled_pairs(path, CONTIGS)
    assert found.pairs == (
        anchors((100, 200), (900, 901)),
        anchors((900, 901), (1000, 1100)),
        anchors((100, 200), (900, 901), "chr21"),
    )
    assert found.regulated == (True, False, False)
    assert (found.elsewhere, found.beyond, found.unlabelled) == (1, 1, 2)
    assert is_pair_table(path)


def test_the_published_pairs(shared):
    path = shared / "chr22/crispr_K562.tsv"
    found = read_labelled_pairs(path, CONTIGS)
    assert (len(found.pairs), sum(found.regulated)) == (99, 7)
    assert is_pair_table(path)


@pytest.mark.parametrize(
    ("name", "number"),
    [("chiapet_RAD21.GM12878", 323), ("chiapet_RAD21.K562", 649), ("hichip_H3K27ac_specific.GM12878", 494)],
)
def test_the_published_loops(shared, name, number):
    path = shared / f"chr22/{name}.bedpe"
    found = read_loops(path, CONTIGS)
    assert len(found.loops) + found.trans + found.elsewhere + found.beyond == number
    assert len(found.loops) == number
    assert not is_pair_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "pairs.tsv: no table in the file"),
        (HEADER, "pairs.tsv: no labelled pair in the file"),
        ("chrom\tRegulated\n", "columns missing or repeated: chromStart, chromEnd, startTSS, endTSS"),
        (HEADER.replace("EffectSize", "chrom"), "columns missing or repeated: chrom;"),
        (HEADER + "chr22\t1\t2\n", "pairs.tsv:2: 3 columns, but 7 in the header"),
        (HEADER + "chr22\t1\t2\t0\t5\t6\tmaybe\n", "pairs.tsv:2: Regulated is 'maybe'; it must be TRUE or FALSE"),
        (HEADER + "chr22\t1e3\t2\t0\t5\t6\tTRUE\n", "pairs.tsv:2: not two anchors"),
        (HEADER + "chr22\t2\t2\t0\t5\t6\tTRUE\n", "pairs.tsv:2: anchor chr22 2 2 is reversed or empty"),
        (HEADER + "chr7\t1\t2\t0\t5\t6\tTRUE\n", "only on chr7: 1 on other contigs"),
        (
            HEADER + "chr22\t1\t2\t0\t5\t6\tNA\n",
            "no labelled pair on the contigs of the map (chr21, chr22): 1 without a label",
        ),
        (b"\x00\xff\xfe", "not a text file"),
    ],
)
def test_pairs_that_cannot_be_used(write, content, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_labelled_pairs(write(content, "pairs.tsv"), CONTIGS)
