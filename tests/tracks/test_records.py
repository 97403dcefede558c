"""Records of bigWigs of every kind of block, against pyBigWig."""

import struct
import zlib

import numpy as np
import pybigtools
import pyBigWig
import pytest

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig
from epigept_batch.tracks import records as module
from epigept_batch.tracks.bigwig import BigWigWriter
from epigept_batch.tracks.records import TrackRecords

LENGTHS = {"one": 900_000, "two": 5_000, "three": 700}


def write_fixed(path):
    rng = np.random.default_rng(1)
    contigs = [Contig(name, length) for name, length in LENGTHS.items()]
    writer = BigWigWriter(path, contigs, bin_bp=128)
    for contig in contigs[:2]:
        bins = -(-contig.length // 128)
        writer.write(contig, 0, rng.normal(size=20).astype(np.float32))
        writer.write(contig, 25, rng.normal(size=bins - 25).astype(np.float32))
    writer.close()
    writer.publish()


def write_variable(path):
    rng = np.random.default_rng(2)
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(LENGTHS.items()))
    for name, step in (("one", 211), ("two", 97)):
        starts = [int(start) for start in np.arange(13, LENGTHS[name] - 50, step)]
        file.addEntries(name, starts, values=rng.normal(size=len(starts)).tolist(), span=50)
    file.close()


def write_graph(path):
    rng = np.random.default_rng(3)

    def found():
        for name in ("one", "two"):
            edges = np.sort(rng.choice(LENGTHS[name], 4000, replace=False))
            for start, end, keep in zip(edges[:-1], edges[1:], rng.random(3999) < 0.7, strict=True):
                if keep:
                    yield (name, int(start), int(end), float(rng.normal()))

    pybigtools.open(str(path), "w").write(LENGTHS, found())


WRITERS = {"fixed": write_fixed, "variable": write_variable, "graph": write_graph}


def joined(parts):
    parts = list(parts)
    return [np.concatenate([getattr(part, name) for part in parts]) for name in ("starts", "ends", "values")]


def read(path, contig, *intervals):
    starts, ends = (np.array(column, dtype=np.int64) for column in zip(*intervals, strict=True))
    with TrackRecords(path) as file:
        return list(file.read(Contig(contig, LENGTHS[contig]), starts, ends))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("blocks", [1, 3, 256])
def test_all_records_of_a_contig(tmp_path, monkeypatch, kind, blocks):
    monkeypatch.setattr(module, "BLOCKS_AT_ONCE", blocks)
    path = tmp_path / "t.bw"
    WRITERS[kind](path)
    with pyBigWig.open(str(path)) as file:
        for contig in ("one", "two"):
            found = joined(read(path, contig, (0, LENGTHS[contig])))
            expected = np.array(file.intervals(contig)).T
            for mine, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mine, theirs)
            assert found[2].dtype == np.float32
    assert read(path, "three", (0, 700)) == []
    with TrackRecords(path) as file:
        assert list(file.read(Contig("four", 9), np.array([0]), np.array([9]))) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_intervals_get_every_record_that_overlaps_them(tmp_path, kind):
    path = tmp_path / "t.bw"
    WRITERS[kind](path)
    rng = np.random.default_rng(4)
    with pyBigWig.open(str(path)) as file:
        for _ in range(30):
            edges = np.sort(rng.choice(LENGTHS["one"], 6, replace=False)).reshape(-1, 2)
            parts = read(path, "one", *edges.tolist())
            found = set(zip(*joined(parts), strict=True)) if parts else set()
            for start, end in edges.tolist():
                assert set(file.intervals("one", start, end) or ()) <= found
    one = joined(read(path, "one", (400_000, 400_001)))
    if kind == "fixed":
        assert len(one[0]) == 1024  # of one block, not of the contig


def test_neither_an_interval_that_only_touches_a_block_nor_one_between_blocks_reads_it(tmp_path):
    path = tmp_path / "t.bw"
    contigs = [Contig("one", 900_000)]
    writer = BigWigWriter(path, contigs, bin_bp=128)
    writer.write(contigs[0], 10, np.ones(10, dtype=np.float32))
    writer.write(contigs[0], 100, np.ones(10, dtype=np.float32))
    writer.close()
    writer.publish()
    assert read(path, "one", (0, 1280), (2560, 12_800), (14_080, 20_000)) == []
    assert [len(part.starts) for part in read(path, "one", (1279, 1281))] == [10]
    assert [len(part.starts) for part in read(path, "one", (2559, 2560), (14_079, 14_080))] == [20]


def test_a_record_whose_value_is_nan_is_no_data(tmp_path):
    path = tmp_path / "t.bw"
    file = pyBigWig.open(str(path), "w")
    file.addHeader([("one", 900_000)])
    file.addEntries("one", 0, values=[1.0, float("nan"), 3.0], span=10, step=10)
    file.close()
    starts, ends, values = joined(read(path, "one", (0, 900_000)))
    assert (starts.tolist(), ends.tolist(), values.tolist()) == ([0, 20], [10, 30], [1, 3])


def test_names_of_other_schemes_and_other_lengths(tmp_path):
    path = tmp_path / "t.bw"
    pybigtools.open(str(path), "w").write({"1": 248_956_422}, iter([("1", 5, 9, 2.0)]))
    with TrackRecords(path) as file:
        (part,) = file.read(Contig("chr1", 248_956_422), np.array([0]), np.array([10]))
        assert part.starts.tolist() == [5]
        with pytest.raises(InputError, match="but 99 in the genome; use tracks of this genome"):
            list(file.read(Contig("1", 99), np.array([0]), np.array([10])))


def test_many_contigs_have_a_tree_of_several_nodes(tmp_path):
    path = tmp_path / "t.bw"
    lengths = {f"c{number:04d}": 100 + number for number in range(1000)}
    rows = ((name, 1, 2, float(number)) for number, name in enumerate(lengths))
    pybigtools.open(str(path), "w").write(lengths, rows)
    with TrackRecords(path) as file:
        for name in ("c0000", "c0500", "c0999"):
            (part,) = file.read(Contig(name, lengths[name]), np.array([0]), np.array([99]))
            assert part.values.tolist() == [float(name[1:])]


def damaged(path, change):
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read(path, "one", (0, 900_000))
    return str(error.value)


def offset_of_block(content):
    """Where the first block lies: behind the number of blocks."""
    return int.from_bytes(content[16:24], "little") + 8


def cut_behind_the_index(content):
    del content[int.from_bytes(content[24:32], "little") + 60 :]


def test_damage_is_found(tmp_path):
    for number, position in enumerate((8, 24)):  # the offsets of contigs and of the index
        path = tmp_path / f"{number}.bw"
        write_fixed(path)
        at = int.from_bytes(path.read_bytes()[position : position + 8], "little")
        assert "damaged; copy it again" in damaged(path, lambda content, at=at: content.__setitem__(at, 0))
    path = tmp_path / "block.bw"
    write_fixed(path)
    assert "damaged" in damaged(path, lambda content: content.__setitem__(offset_of_block(content), 0))
    write_fixed(path)
    assert "damaged" in damaged(path, cut_behind_the_index)
    (tmp_path / "text.bw").write_text("text")
    for name, message in (("text.bw", "not a bigWig, or truncated"), ("absent.bw", "bigWig not found")):
        with pytest.raises(InputError, match=message):
            TrackRecords(tmp_path / name)


def rewrite_block(path, change):
    """Change the first block, whose packed size must not grow."""
    content = bytearray(path.read_bytes())
    at = offset_of_block(content)
    block = bytearray(zlib.decompressobj().decompress(content[at:]))
    change(block)
    packed = zlib.compress(bytes(block), 9)
    content[at : at + len(packed)] = packed
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change"),
    [
        lambda block: struct.pack_into("<I", block, 0, 1),  # another contig
        lambda block: struct.pack_into("<B", block, 20, 9),  # an unknown kind
        lambda block: struct.pack_into("<H", block, 22, 60_000),  # more records than there are
        lambda block: struct.pack_into("<I", block, 16, 0),  # empty records
        lambda block: struct.pack_into("<I", block, 16, 500),  # records that overlap
    ],
)
def test_impossible_blocks_are_damage(tmp_path, change):
    path = tmp_path / "t.bw"
    contig = Contig("one", 900_000)
    writer = BigWigWriter(path, [contig, Contig("two", 5000)], bin_bp=128)
    writer.write(contig, 0, np.zeros(500, dtype=np.float32) + np.arange(500, dtype=np.float32))
    writer.close()
    writer.publish()
    assert len(read(path, "one", (0, 900_000))) == 1
    rewrite_block(path, change)
    with pytest.raises(InputError, match="damaged"):
        read(path, "one", (0, 900_000))


def test_a_tree_that_contains_itself_ends(tmp_path):
    path = tmp_path / "t.bw"
    write_graph(path)
    content = bytearray(path.read_bytes())
    root = int.from_bytes(content[24:32], "little") + 48
    content[root : root + 4] = struct.pack("<BBH", 0, 0, 1)
    content[root + 4 : root + 28] = struct.pack("<IIIIQ", 0, 0, 9, 9, root)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        TrackRecords(path)


def test_blocks_that_overlap_are_damage_also_if_they_are_read_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCKS_AT_ONCE", 1)
    path = tmp_path / "t.bw"
    contig = Contig("one", 900_000)
    writer = BigWigWriter(path, [contig], bin_bp=128)
    writer.write(contig, 0, np.arange(2048, dtype=np.float32))
    writer.close()
    writer.publish()
    assert len(read(path, "one", (0, 900_000))) == 2
    rewrite_block(path, lambda block: struct.pack_into("<II", block, 12, 129, 129))  # step and span
    with pytest.raises(InputError, match="damaged"):
        read(path, "one", (0, 900_000))
