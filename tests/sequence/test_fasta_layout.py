"""FASTAs as programs and people write them: each base in its place, or the line that is wrong."""

import gzip
import itertools

import numpy as np
import pytest
from Bio import bgzf

from epigept_batch.errors import InputError
from epigept_batch.sequence import fasta_layout
from epigept_batch.sequence.genome import Genome
from reference import tokens


@pytest.fixture(params=["plain", "bgzip"])
def write(request, tmp_path):
    numbers = itertools.count()

    def write(content):
        name = f"g{next(numbers)}.fa"
        if request.param == "plain":
            path = tmp_path / name
            path.write_bytes(content)
        else:
            path = tmp_path / f"{name}.gz"
            with bgzf.open(path, "wb") as stream:
                stream.write(content)
        return path

    return write


def assert_holds(path, records):
    """Whole records, and every base by its position."""
    genome = Genome(path)
    assert [(contig.name, contig.length) for contig in genome.contigs] == [(n, len(s)) for n, s in records]
    for contig, (_, sequence) in zip(genome.contigs, records, strict=True):
        np.testing.assert_array_equal(genome.tokens(contig, 0, contig.length), tokens(sequence))
        for start in range(contig.length):
            np.testing.assert_array_equal(genome.tokens(contig, start, start + 2), tokens((sequence + "N")[start:][:2]))


TWO = [("a", "ACGTAC"), ("b", "GGTT")]
READ = {
    "blank lines before": b"\n\n>a\nACGT\nAC\n>b\nGGTT\n",
    "comments and blank lines before": b";one\n\n;two\n>a\nACGT\nAC\n>b\nGGTT\n",
    "a blank line between": b">a\nACGT\nAC\n\n>b\nGGTT\n",
    "three blank lines between": b">a\nACGT\nAC\n\n\n\n>b\nGGTT\n",
    "spaces alone between": b">a\nACGT\nAC\n   \n\t\n>b\nGGTT\n",
    "blank lines after headers": b">a\n\nACGT\nAC\n>b\n\n\nGGTT\n",
    "two blank lines at the end": b">a\nACGT\nAC\n>b\nGGTT\n\n\n",
    "many blank lines at the end": b">a\nACGT\nAC\n>b\nGGTT\n" + b"\n" * 50,
    "spaces alone at the end": b">a\nACGT\nAC\n>b\nGGTT\n  \n ",
    "no line end at the end": b">a\nACGT\nAC\n>b\nGGTT",
    "Windows": b">a\r\nACGT\r\nAC\r\n>b\r\nGGTT\r\n",
    "Windows with blank lines": b"\r\n>a\r\n\r\nACGT\r\nAC\r\n\r\n\r\n>b\r\nGGTT\r\n\r\n\r\n",
    "Windows without a line end at the end": b">a\r\nACGT\r\nAC\r\n>b\r\nGGTT",
    "Windows in headers alone": b">a\r\nACGT\nAC\n>b\r\nGGTT\n",
    "a last line of Windows": b">a\nACGT\nAC\r\n>b\nGGTT\r\n",
    "a last line of Unix": b">a\r\nACGT\r\nAC\n>b\r\nGGTT\n",
    "lower case": b">a\nacgt\nac\n>b\nggtt\n",
    "words behind names": b">a b\tc > d\nACGT\nAC\n>\tb\nGGTT\n",
    "one line each": b">a\nACGTAC\n>b\nGGTT\n",
    "one base a line": b">a\nA\nC\nG\nT\nA\nC\n\n>b\nG\nG\nT\nT\n\n",
}


@pytest.mark.parametrize("kind", READ)
def test_what_does_not_move_a_base_is_read(write, kind):
    assert_holds(write(READ[kind]), TWO)


def test_records_without_bases_have_none(write):
    assert_holds(write(b">a\n>b\n\n>c\nAC\n\n>d"), [("a", ""), ("b", ""), ("c", "AC"), ("d", "")])


BLANK = "blank line within record a; make all lines the same length and remove blank lines"
DIFFERS = (
    "line length differs from the lines of record a before it, and it is not the last; make all lines the same length"
)
REFUSED = {
    "a blank line within": (b">a\nACGT\n\nAC\n", 3, BLANK),
    "a blank line within, Windows": (b">a\r\nACGT\r\n\r\nAC\r\n", 3, BLANK),
    "two blank lines within": (b"\n>b\nAC\n>a\nACGT\n\n\nACGT\nAC\n", 6, BLANK),
    "spaces alone within": (b">a\nACGT\n    \nACGT\n", 3, BLANK),
    "a blank line behind a short one": (b">a\nACGT\nAC\n\nACGT\n", 3, DIFFERS),
    "a short line": (b">a\nACGT\nAC\nACGT\n", 3, DIFFERS),
    "a line of Windows": (b">a\nACGT\nACGT\r\nACGT\n", 3, DIFFERS),
    "a line of Unix": (b">a\r\nACGT\r\nACGT\nACGT\r\n", 3, DIFFERS),
    "a longer line": (b">a\nACGT\nACGTA\n", 3, "line has 5 bases, but lines before it in record a have 4; make all"),
    "a space": (b">a\nAC GT\nAC\n", 2, "contains ' ' among the bases of record a; remove what is not a base"),
    "a space at a line's end": (b">a\nACGT\nACGT \nAC\n", 3, "contains ' ' among the bases of record a"),
    "spaces at all lines' ends": (b">a\nACGT \nAC \n", 2, "contains ' ' among the bases of record a"),
    "a space at a line's beginning": (b">a\n ACGT\n", 2, "contains ' ' among the bases of record a"),
    "a tab": (b">a\nACGT\nA\tC\n", 3, "contains '\\t' among the bases of record a"),
    "positions": (b">a\n1 ACGT\n5 ACGT\n", 2, "contains '1' among the bases of record a"),
    "an indented header": (b">a\nACGT\n >b\nAC\n", 3, "contains ' ' among the bases of record a"),
    "a header within a line": (b">a\nACGT>b\nAC\n", 2, "contains '>' among the bases of record a"),
    "NULs, as a crash leaves them": (b">a\nACGT\nAC\n\0\0\0\0", 4, "contains '\\x00' among the bases of record a"),
    "letters that are not ASCII": (">a\nACG\u00c5\n".encode(), 2, "among the bases of record a"),
    "a CR within": (b">a\nACGT\rACGT\n", 2, "contains '\\r' among the bases of record a"),
    "old Macs": (b">a\rACGT\rAC\r", 1, "line ends are CR only, as on old Macs; convert the file"),
    "a header without a name": (b">\nACGT\n", 1, "header without a name; add a name after the >"),
    "a header of spaces": (b">a\nAC\n>  \r\nACGT\n", 3, "header without a name"),
    "a header sign alone": (b">", 1, "header without a name"),
    "a name that is not UTF-8": (b">a\nAC\n>\xff\nAC\n", 3, "name in the header is not UTF-8; rename the record"),
    "a name twice": (
        b">a\nAC\n>b\nAC\n>a x\nAC\n",
        5,
        "second record named a; the first is in line 1; rename one of them",
    ),
    "bases before the first header": (b"\nACGT\n>a\nAC\n", 2, "not a FASTA header; each sequence needs a line >NAME"),
    "FASTQ": (b"@a\nACGT\n+\nIIII\n", 1, "not a FASTA header; each sequence needs a line >NAME before it"),
    "a byte order mark": ("\ufeff>a\nACGT\n".encode(), 1, "begins with a byte order mark; save the file as plain text"),
    "UTF-16": (">a\nACGT\n".encode("utf-16"), 1, "not a FASTA header"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_move_or_change_a_base_is_refused_with_its_line(write, kind):
    content, line, message = REFUSED[kind]
    path = write(content)
    with pytest.raises(InputError) as caught:
        Genome(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def random_fasta(rng):
    """A FASTA and its records: lines of any width, either line end, blank lines where they may be."""
    end = rng.choice([b"\n", b"\r\n"])
    blank = lambda: end * int(rng.choice([0, 0, 1, 3]))  # noqa: E731
    content, records = blank(), []
    for number in range(rng.integers(1, 7)):
        sequence = "".join(rng.choice(list("ACGTacgtNRY*-"), rng.integers(0, 40)))
        width = int(rng.integers(1, 13))
        lines = [sequence[first : first + width].encode() for first in range(0, len(sequence), width)]
        content += f">r{number} words".encode() + end + blank() + b"".join(line + end for line in lines) + blank()
        records.append((f"r{number}", sequence))
    return content.rstrip() if rng.random() < 0.3 else content, records


@pytest.mark.parametrize("seed", range(6))
def test_random_fastas_however_they_are_cut_into_blocks(write, monkeypatch, seed):
    rng = np.random.default_rng(seed)
    for _ in range(6):
        content, records = random_fasta(rng)
        monkeypatch.setattr(fasta_layout, "BLOCK_BYTES", int(rng.integers(1, 40)))
        assert_holds(write(content), records)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_line_that_is_refused_does_not_depend_on_how_the_file_is_cut_into_blocks(tmp_path, monkeypatch, size):
    monkeypatch.setattr(fasta_layout, "BLOCK_BYTES", size)
    path = tmp_path / "g.fa"
    for content, line, message in REFUSED.values():
        if content.startswith(b">"):
            path.write_bytes(b">z\nACGT\nA\n" + content)
            with pytest.raises(InputError, match=rf"g.fa:{line + 3}: ") as caught:
                Genome(path)
            assert message.replace("line 1;", "line 4;") in str(caught.value)


def test_an_index_that_counts_spaces_as_bases_is_refused_where_they_are_read(tmp_path):
    """As pyfaidx makes it."""
    path = tmp_path / "g.fa"
    path.write_bytes(b">a\nAC GT\nAC\n")
    (tmp_path / "g.fa.fai").write_text("a\t7\t3\t5\t6\n")
    genome = Genome(path)
    assert genome.tokens(genome.contigs[0], 0, 2).tolist() == [0, 1]
    with pytest.raises(
        InputError,
        match=r"g.fa: a:1-4 contains ' ' among its bases; remove all characters that are not bases, delete .*fai",
    ):
        genome.tokens(genome.contigs[0], 0, 4)


def test_gzip_that_is_not_bgzip_is_said(tmp_path):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(READ["Windows"]))
    with pytest.raises(InputError, match="compressed with gzip, not bgzip; run gunzip -k"):
        Genome(path)
