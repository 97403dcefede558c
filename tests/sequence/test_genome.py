import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf

from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome, forget_digests
from epigept_batch.tiling import Contig
from held import open_links
from reference import tokens

SEQUENCE = "ACGTNnacgtRYKMacgtXA"


@pytest.fixture(params=["plain", "bgzip"])
def small(request, tmp_path):
    text = f">one made up\n{SEQUENCE[:7]}\n{SEQUENCE[7:14]}\n{SEQUENCE[14:]}\n>chr2\nAC\n>HLA:1-2\nGGG\n"
    if request.param == "plain":
        path = tmp_path / "small.fa"
        path.write_text(text)
    else:
        path = tmp_path / "small.fa.gz"
        with bgzf.open(path, "wt") as stream:
            stream.write(text)
    return Genome(path)


def test_contigs_have_the_names_and_the_order_of_the_file(small):
    assert small.contigs == (Contig("one", 20), Contig("chr2", 2), Contig("HLA:1-2", 3))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 20, "ACGTNnacgtRYKMacgtXA"),
        (0, 0, ""),
        (5, 9, "nacg"),
        (-3, 2, "NNNAC"),
        (18, 23, "XANNN"),
        (-2, 22, "NNACGTNnacgtRYKMacgtXANN"),
        (20, 24, "NNNN"),
        (-9, -5, "NNNN"),
        (99, 101, "NN"),
    ],
)
def test_tokens_of_a_window_padded_where_it_leaves_the_contig(small, start, end, expected):
    found = small.tokens(small.contigs[0], start, end)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, tokens(expected))


def test_md5_is_that_of_the_upper_cased_sequence_as_in_sam_and_is_kept(small, home):
    expected = hashlib.md5(SEQUENCE.upper().encode(), usedforsecurity=False).hexdigest()
    assert small.md5(small.contigs[0]) == expected
    (kept,) = (home / "digests").iterdir()
    assert expected in kept.read_text()
    kept.write_text(kept.read_text().replace(expected, "from the cache"))
    assert small.md5(small.contigs[0]) == expected  # it reads the cache once
    assert Genome(small.path).md5(small.contigs[0]) == "from the cache"
    os.utime(small.path, (1, 1))
    assert Genome(small.path).md5(small.contigs[0]) == expected


def test_the_real_piece_is_soft_masked_and_begins_with_n(chr2, shared):
    genome = Genome(chr2)
    (contig,) = genome.contigs
    assert contig == Contig("chr2", 2_333_275)
    with gzip.open(shared / "genome/hg38_chr2_1-2333275.fa.gz", "rt") as stream:
        sequence = "".join(line.strip() for line in stream if not line.startswith(">"))
    found = genome.tokens(contig, 0, contig.length)
    assert (found[:10_000] == 4).all()
    table = str.maketrans("ACGTN", "01234")
    assert bytes(found + ord("0")).decode() == sequence.upper().translate(table)


def test_an_index_goes_to_the_cache_where_the_folder_cannot_be_written(tmp_path, home, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()
    path = folder / "g.fa"
    path.write_text(">c\nACGT\n")
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)  # root may write everywhere
    assert Genome(path).contigs == (Contig("c", 4),)
    assert [p.name for p in folder.iterdir()] == ["g.fa"]
    assert [p.suffix for p in (home / "indexes").iterdir()] == [".fai"]


def bad(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.fa", b"", "FASTA is empty"),
        ("none.fa", b"\n\n", "no FASTA record; each sequence needs a line >NAME before it"),
        ("gzip.fa.gz", gzip.compress(b">a\nACGT\n", mtime=0), "compressed with gzip, not bgzip; run gunzip -k"),
        ("hidden.fa", b"\x1f\x8b\x08\x04" + bytes(20), "is bgzip but its name does not end in .gz"),
        ("plain.fa.gz", b">a\nACGT\n", "is not compressed, although its name says so"),
    ],
)
def test_what_is_no_fasta_is_said_in_one_line(tmp_path, name, content, message):
    path = bad(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        Genome(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_fasta_and_a_folder_are_said(tmp_path):
    with pytest.raises(InputError, match="FASTA cannot be read: No such file or directory"):
        Genome(tmp_path / "absent.fa")
    with pytest.raises(InputError, match="FASTA cannot be read: Is a directory"):
        Genome(tmp_path)


def test_a_file_that_shrinks_behind_its_index_is_said(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\n" + b"ACGT\n" * 100)
    genome = Genome(path)
    path.write_bytes(b">a\n" + b"ACGT\n" * 10)
    with pytest.raises(InputError, match=r"g.fa: file changed during the run; rerun when it is complete"):
        genome.tokens(genome.contigs[0], 0, 400)


def test_an_empty_index_is_said(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n")
    (tmp_path / "g.fa.fai").touch()
    with pytest.raises(InputError, match=r"its index is empty; delete .*g.fa.fai and rerun"):
        Genome(path)


def test_a_truncated_bgzip_is_said_with_and_without_an_index_that_still_fits(tmp_path):
    path = tmp_path / "g.fa.gz"
    with bgzf.open(path, "wt") as stream:
        stream.write(">a\n" + "".join(np.random.default_rng(0).choice(list("ACGT"), 200_000)) + "\n")
    Genome(path)
    os.truncate(path, path.stat().st_size // 2)
    os.utime(path, (1, 1))
    with pytest.raises(InputError, match="does not fit its index: a does not end where the index says"):
        Genome(path)
    os.utime(path)
    with pytest.raises(InputError, match="not a FASTA that can be indexed"):
        Genome(path)


def copied_over(path, content):
    """A FASTA in place of another, with the time that this had, as rsync and cp -p leave it behind an older index."""
    state = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


OTHERS = {
    "another header": (b">a longer\nACGT\nAC\n>b\nGGTT\n", "begin"),
    "another name": (b">c\nACGT\nAC\n>b\nGGTT\n", "begin"),
    "longer": (b">a\nACGT\nACGT\n>b\nGGTT\n", "end"),
    "shorter": (b">a\nACGT\n>b\nGGTT\n", "end"),
    "a record less": (b">a\nACGT\nAC\n", "end"),
    "a record more": (b">a\nACGT\nAC\n>b\nGGTT\n>c\nAC\n", "end"),
    "other lines": (b">a\nACGTAC\n>b\nGGTT\n", "end"),
    "lines of Windows": (b">a\r\nACGT\r\nAC\r\n>b\r\nGGTT\r\n", "begin"),
    "cut short": (b">a\nACGT\nAC\n>b\nGG", "end"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_index_of_another_file_is_refused_though_it_is_newer(tmp_path, name):
    path = bad(tmp_path, "g.fa", b">a\nACGT\nAC\n>b\nGGTT\n")
    Genome(path)
    content, how = OTHERS[name]
    copied_over(path, content)
    with pytest.raises(
        InputError, match=rf"g.fa: does not fit its index: [ab] does not {how} where the index says; delete .*fai"
    ):
        Genome(path)
    (tmp_path / "g.fa.fai").unlink()
    assert Genome(path).contigs


def test_an_index_that_was_cut_short_is_refused(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n>b\nGGTT\n")
    Genome(path)
    index = tmp_path / "g.fa.fai"
    index.write_text(index.read_text().splitlines(keepends=True)[0])
    with pytest.raises(InputError, match="does not fit its index: a does not end where the index says"):
        Genome(path)


def test_an_older_index_is_made_again(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n")
    Genome(path)
    path.write_bytes(b">b\nACGTACGT\n")
    os.utime(tmp_path / "g.fa.fai", (1, 1))
    assert Genome(path).contigs == (Contig("b", 8),)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.fa", "g.fa.fai"]


def test_a_fasta_of_the_future_is_indexed_once(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n")
    os.utime(path, (4e9, 4e9))
    Genome(path)
    first = (tmp_path / "g.fa.fai").stat()
    Genome(path)
    assert (tmp_path / "g.fa.fai").stat().st_ino == first.st_ino


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n", b"\r\n"], ids=["none", "LF", "blank line", "CRLF"])
def test_ends_of_files_and_long_headers_fit_their_index(tmp_path, ending):
    lines = b"\r\n" if ending == b"\r\n" else b"\n"
    content = lines.join([b">a " + b"x" * 5000, b"ACGT", b"AC", b">b", b"GGTT"]) + ending
    genome = Genome(bad(tmp_path, "g.fa", content))
    assert genome.contigs == (Contig("a", 6), Contig("b", 4))
    assert genome.tokens(genome.contigs[1], 0, 4).tolist() == [2, 2, 3, 3]


def test_of_a_bgzip_with_many_records_places_from_all_over_are_compared(tmp_path):
    path = tmp_path / "g.fa.gz"
    records = [f">r{number}\n{'ACGT' * 20_000}\n" for number in range(100)]
    with bgzf.open(path, "wt") as stream:
        stream.write("".join(records))
    assert len(Genome(path).contigs) == 100
    index = tmp_path / "g.fa.gz.fai"
    rows = [row.split("\t") for row in index.read_text().splitlines()]
    moved = [[name, length, str(int(offset) + 1), *rest] for name, length, offset, *rest in rows]
    index.write_text("".join("\t".join(row) + "\n" for row in moved))
    with pytest.raises(InputError, match="does not fit its index: r0 does not begin where the index says"):
        Genome(path)


@pytest.mark.parametrize("change", ["written to", "replaced", "taken away", "grown"])
def test_a_fasta_that_changes_during_a_run_is_said(tmp_path, change):
    path = bad(tmp_path, "g.fa", b">a\n" + b"ACGT\n" * 10)
    genome = Genome(path)
    genome.tokens(genome.contigs[0], 0, 40)
    genome.check_unchanged()
    if change == "written to":
        path.write_bytes(b">a\n" + b"GGGG\n" * 10)
        os.utime(path, (1, 1))
    elif change == "replaced":
        bad(tmp_path, "new", path.read_bytes()).replace(path)
    elif change == "taken away":
        path.unlink()
    else:
        with path.open("ab") as stream:
            stream.write(b">b\nAC\n")
    said = {"replaced": "was replaced", "taken away": "disappeared"}.get(change, "changed")
    with pytest.raises(InputError, match=f"g.fa: file {said} during the run"):
        genome.check_unchanged()
    if change in {"written to", "grown"}:  # else what is read is still the file that was opened
        with pytest.raises(InputError, match="g.fa: file changed during the run"):
            genome.tokens(genome.contigs[0], 0, 40)
        with pytest.raises(InputError, match="g.fa: file changed during the run"):
            genome.md5(genome.contigs[0])
    else:
        assert genome.tokens(genome.contigs[0], 0, 4).tolist() == [0, 1, 2, 3]


def test_a_digest_is_never_kept_for_a_file_that_took_the_name_meanwhile(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n")
    genome = Genome(path)
    bad(tmp_path, "new", b">a\nGGGGG\n").replace(path)
    old = genome.md5(genome.contigs[0])
    new = Genome(path)
    assert new.md5(new.contigs[0]) == hashlib.md5(b"GGGGG", usedforsecurity=False).hexdigest() != old


def test_a_pipe_is_no_fasta(tmp_path):
    os.mkfifo(tmp_path / "pipe.fa")
    with pytest.raises(
        InputError, match=r"pipe.fa: is a pipe or device, which cannot be read by position; use a regular file"
    ):
        Genome(tmp_path / "pipe.fa")


def test_a_user_who_may_not_write_beside_a_fasta_has_its_index_in_the_cache(tmp_path, home):
    """As somebody who is not root, if root runs the tests: root may write everywhere."""
    folder = tmp_path / "locked"
    folder.mkdir()
    path = bad(folder, "g.fa", b">a\nACGT\n")
    (folder / "g.fa.fai").write_text("a\t3\t3\t3\t4\n")
    os.utime(folder / "g.fa.fai", (1, 1))  # stale, and cannot be made again in its place
    folder.chmod(0o555)
    for place in (home, *tmp_path.parents, tmp_path):
        if place != place.parent and place.stat().st_uid == os.geteuid():
            place.chmod(place.stat().st_mode | 0o755)
    (home / "indexes").mkdir()
    (home / "indexes").chmod(0o777)
    script = (
        "import os, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from epigept_batch.sequence.genome import Genome\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "print(Genome(Path(sys.argv[1])).contigs)"
    )
    done = subprocess.run([sys.executable, "-c", script, path, *sys.path], capture_output=True, text=True, check=False)
    folder.chmod(0o755)
    assert done.stdout == "(Contig(name='a', length=4),)\n", done.stderr
    assert (folder / "g.fa.fai").read_text() == "a\t3\t3\t3\t4\n"
    assert [p.suffix for p in (home / "indexes").iterdir()] == [".fai"]


MANY = 300


@pytest.fixture
def many(tmp_path):
    """A FASTA of many contigs, and the digest of each."""
    sequences = {f"c{number}": f"{number:b}".replace("0", "A").replace("1", "c") for number in range(MANY)}
    path = tmp_path / "many.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    digests = {
        name: hashlib.md5(sequence.upper().encode(), usedforsecurity=False).hexdigest()
        for name, sequence in sequences.items()
    }
    return path, digests


@pytest.fixture
def cache_traffic(monkeypatch):
    """Names of what is read and written as text, with no second writing for want of time."""
    traffic = []
    monkeypatch.setattr("epigept_batch.sequence.genome.KEEP_SECONDS", 3600)

    def note(name):
        real = getattr(Path, name)

        def noted(path, *rest):
            traffic.append(name)
            return real(path, *rest)

        monkeypatch.setattr(Path, name, noted)

    note("read_text")
    note("write_text")
    return traffic


def kept_digests(home):
    (file,) = (home / "digests").glob("*.json")
    return json.loads(file.read_text())["md5"]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_digests_of_many_contigs_are_read_once_and_written_now_and_then(many, home, cache_traffic, one_by_one):
    path, expected = many
    with Genome(path) as genome:
        if one_by_one:
            found = {contig.name: genome.md5(contig) for contig in genome.contigs}
        else:
            found = genome.md5s(genome.contigs)
    assert found == expected
    assert cache_traffic == ["read_text"] + 2 * ["read_text", "write_text"]  # with the first digest and at the end
    assert kept_digests(home) == expected
    del cache_traffic[:]
    with Genome(path) as genome:
        assert genome.md5s(genome.contigs) == expected
    assert cache_traffic == ["read_text"]


def test_what_was_digested_before_an_interruption_is_kept(many, home, monkeypatch):
    path, expected = many
    genome = Genome(path)
    real = genome._fasta.fetch  # noqa: SLF001 - where the interruption comes

    def fetch(name, *rest):
        if name == "c200":
            raise KeyboardInterrupt
        return real(name, *rest)

    monkeypatch.setattr(genome._fasta, "fetch", fetch)  # noqa: SLF001
    with pytest.raises(KeyboardInterrupt):
        genome.md5s(genome.contigs)
    assert kept_digests(home) == dict(list(expected.items())[:200])


@pytest.mark.parametrize("seconds", [0, 3600])
def test_a_kill_leaves_a_whole_cache_and_loses_little(many, home, monkeypatch, seconds):
    """With no time between two writings every digest is there at once; with much, the first alone."""
    path, expected = many
    monkeypatch.setattr("epigept_batch.sequence.genome.KEEP_SECONDS", seconds)
    monkeypatch.setattr("epigept_batch.sequence.genome.KEEP_SHARE", 0)
    genome = Genome(path)
    for number, contig in enumerate(genome.contigs[:20], 1):
        genome.md5(contig)
        assert kept_digests(home) == dict(list(expected.items())[: number if seconds == 0 else 1])


def test_two_at_once_keep_the_digests_of_both(many, home):
    path, expected = many
    one, other = Genome(path), Genome(path)
    one.md5(one.contigs[0])
    other.md5s(other.contigs[:2])
    one.md5s(one.contigs[5:8])
    other.md5s(other.contigs[100:])
    assert set(kept_digests(home)) == {f"c{n}" for n in (0, 1, 5, 6, 7, *range(100, MANY))}
    assert kept_digests(home).items() <= expected.items()


def test_killed_at_any_moment_the_cache_is_whole_or_absent(many, home):
    """Processes that digest the same file one beside the other, killed."""
    path, expected = many
    script = (
        "import sys; from pathlib import Path\n"
        "from epigept_batch.inputs import genome as module\n"
        "module.KEEP_SECONDS = module.KEEP_SHARE = 0\n"
        "genome = module.Genome(Path(sys.argv[1])); print(flush=True)\n"
        "for contig in genome.contigs: genome.md5(contig)"
    )
    started = [subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) for _ in range(2)]
    for process in started:
        process.stdout.readline()
    for process in started:
        time.sleep(0.05)
        process.kill()
        process.communicate()
    for file in (home / "digests").glob("*.json"):
        assert json.loads(file.read_text())["md5"].items() <= expected.items()
    with Genome(path) as genome:
        assert genome.md5s(genome.contigs) == expected


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stamp": 3}', '{"stamp": STAMP, "md5": 3}', "null"])
def test_a_cache_that_is_not_ours_is_made_again(many, home, content):
    path, expected = many
    with Genome(path) as genome:
        genome.md5s(genome.contigs)
    (file,) = (home / "digests").iterdir()
    state = path.stat()
    file.write_text(content.replace("STAMP", json.dumps([state.st_size, state.st_mtime_ns])))
    with Genome(path) as genome:
        assert genome.md5s(genome.contigs) == expected
    assert kept_digests(home) == expected


def test_a_cache_that_cannot_be_written_costs_time_alone(many, home, monkeypatch):
    path, expected = many

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", refuse)
    with Genome(path) as genome:
        assert genome.md5s(genome.contigs) == expected
    assert list((home / "digests").iterdir()) == []


def test_digests_of_a_fasta_that_is_gone_can_be_forgotten(many, home):
    path, _ = many
    with Genome(path) as genome:
        genome.md5(genome.contigs[0])
    other = bad(path.parent, "other.fa", b">a\nACGT\n")
    with Genome(other) as genome:
        genome.md5(genome.contigs[0])
    path.unlink()
    forget_digests(path)
    forget_digests(path)
    assert list(kept_digests(home)) == ["a"]


@pytest.mark.parametrize("name", ["g.fa", "g.fa.gz"])
def test_a_genome_lets_go_of_its_file(tmp_path, name):
    path = tmp_path / name
    with bgzf.open(path, "wt") if name.endswith("gz") else path.open("w") as stream:
        stream.write(">a\nACGT\n")
    with Genome(path) as genome:
        assert open_links(path) == [str(path)]
    assert open_links(path) == []
    genome.close()
    assert genome.contigs == (Contig("a", 4),)


def test_a_genome_whose_index_does_not_fit_lets_go_of_its_file(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n>b\nGGTT\n")
    Genome(path).close()
    index = tmp_path / "g.fa.fai"
    index.write_text(index.read_text().splitlines(keepends=True)[0])
    with pytest.raises(InputError, match="does not fit its index") as caught:
        Genome(path)
    assert caught.tb is not None  # which keeps what was made
    assert open_links(path) == []
