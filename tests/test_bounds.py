import gzip
import io
import resource
import subprocess
import sys
import zlib

import pytest

from epigept_batch import bounds
from epigept_batch.bounds import bounded_lines, open_gzip, read_unpacked, read_whole
from epigept_batch.errors import InputError
from epigept_batch.expression.tables import open_table
from epigept_batch.motifs.motif_set import read_factor_pairs, read_motifs
from epigept_batch.sequence.regions import read_bed
from epigept_batch.tiling import Contig
from epigept_export.convert import read_expression_reference

GB = 1 << 30
CONTIGS = {"c": Contig("c", 1000)}


def sparse(path, head, size):
    """A file of so many bytes that takes no room on the disk."""
    path.write_bytes(head)
    with path.open("r+b") as stream:
        stream.truncate(size)
    return path


def bomb(path, size):
    """A gzip of so many bytes of one letter."""
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as stream:
        stream.write(packer.compress(b"gene_id\tTPM\n"))
        block = b"A" * (1 << 24)
        for _ in range(size // len(block)):
            stream.write(packer.compress(block))
        stream.write(packer.flush())
    return path


def test_lines_and_whole_files_within_bounds_are_as_they_are(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a\r\n\nb")
    assert read_whole(path) == b"a\r\n\nb"
    assert read_whole(path, most=5) == b"a\r\n\nb"
    with path.open("rb") as stream:
        assert list(bounded_lines(stream, path)) == [b"a\r\n", b"\n", b"b"]
    with pytest.raises(InputError, match="x: larger than 0 MB, the limit for this kind of file"):
        read_whole(path, most=4)


def test_a_line_at_the_bound_is_read_and_one_byte_more_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "LONGEST_LINE", 10)
    assert list(bounded_lines(io.BytesIO(b"123456789\nab"), tmp_path)) == [b"123456789\n", b"ab"]
    with pytest.raises(InputError, match=":2: line longer than 0 MB; use a text file with line breaks"):
        list(bounded_lines(io.BytesIO(b"1\n1234567890\n"), tmp_path))


def test_gzip_is_unpacked_as_by_gzip(tmp_path):
    content = b"".join(b"%d\n" % number for number in range(1_000_000))
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(content[:999]) + gzip.compress(content[999:]))
    with path.open("rb") as stream, open_gzip(stream, path) as unpacked:
        assert unpacked.peek(3)[:3] == b"0\n1"
        assert unpacked.readline() == b"0\n"
        assert unpacked.read() == content[2:]


def test_a_file_is_read_whole_plain_or_gzip(tmp_path):
    packed = gzip.compress(b"a\r\n") + gzip.compress(b"b")
    for name, content in (("plain", b"a\r\nb"), ("packed", packed)):
        (tmp_path / name).write_bytes(content)
        assert read_unpacked(tmp_path / name) == b"a\r\nb"
    (tmp_path / "zeros").write_bytes(gzip.compress(bytes(2 << 20)))
    with pytest.raises(InputError, match="zeros: unpacks to more than 1 MB, the limit for this kind of file"):
        read_unpacked(tmp_path / "zeros", most=1 << 20)
    for damaged in (packed[:-3], packed[:-6] + b"xxxxxx"):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(InputError, match="damaged: damaged or truncated gzip file"):
            read_unpacked(tmp_path / "damaged")


@pytest.mark.parametrize("ratio", [20, 240, 260])
def test_a_gzip_is_refused_where_both_its_size_and_its_ratio_are_those_of_no_text(tmp_path, monkeypatch, ratio):
    monkeypatch.setattr(bounds, "MOST_UNPACKED", 1000)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"A" * 100_000))
    monkeypatch.setattr(bounds, "MOST_RATIO", 100_000 / path.stat().st_size * 250 / ratio)
    with path.open("rb") as stream, open_gzip(stream, path) as unpacked:
        if ratio < 250:
            assert unpacked.read() == b"A" * 100_000
            return
        with pytest.raises(InputError, match="x.gz: unpacks to more than .* times its size, as no text does"):
            unpacked.read()


HOSTILE = {
    "table of one line": (open_table, ":1: line longer than 16 MB"),
    "motifs": (read_motifs, ": larger than 256 MB, the limit for this kind of file"),
    "factor pairs": (read_factor_pairs, ": larger than 256 MB"),
    "BED": (lambda path: read_bed(path, CONTIGS), ":1: line longer than 16 MB"),
    "expression reference": (lambda path: read_expression_reference(path, ["a"]), ": larger than 256 MB"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_gigabytes_without_a_line_end_are_refused_before_they_fill_the_memory(tmp_path, name):
    read, said = HOSTILE[name]
    path = sparse(tmp_path / "huge", b"gene_id\tTPM", 8 * GB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=f"huge{said}"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # kB


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path):
    """A gigabyte of one line, in a megabyte."""
    path = bomb(tmp_path / "bomb.tsv.gz", GB)
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from epigept_batch.errors import InputError\n"
        "from epigept_batch.expression.tables import open_table\n"
        "import resource; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: open_table(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000)"
    )
    done = subprocess.run([sys.executable, "-c", script, path, *sys.path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}:2: line longer than 16 MB; use a text file with line breaks\nTrue\n"


def test_what_lies_behind_a_table_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_UNPACKED", 1 << 25)
    path = tmp_path / "bomb.tsv.gz"
    path.write_bytes(gzip.compress(b"gene_id\tTPM\n" + b"AHR\t0\n" * (1 << 24)))
    table = open_table(path)
    with pytest.raises(InputError, match=r"bomb.tsv.gz: unpacks to more than 250 times its size"):
        for _ in table.batches("\t", 2, skip=1):
            pass


def test_a_device_without_an_end_is_refused():
    from pathlib import Path

    for read in (read_motifs, read_factor_pairs):
        with pytest.raises(InputError, match="/dev/zero: is a pipe or device; use a regular file"):
            read(Path("/dev/zero"))
    with pytest.raises(InputError, match="/dev/zero: a pipe or device, which cannot be read twice; provide a regular"):
        open_table(Path("/dev/zero"))
