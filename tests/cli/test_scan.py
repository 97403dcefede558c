"""`epigept-batch scan` and `genome --scores`: the same tracks from kept scores; and interrupted scans."""

import json
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import bigwigs
from conftest import SCRIPTS
from epigept_batch.commands import scan as scan_pipeline
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.motifs.store import ScoreStore
from epigept_batch.tiling import Contig
from held import new_workers, open_links

TRACKS = ("DNase", "CTCF", "H3K27ac")
LENGTHS = {"one": 20_000, "two": 700, "three": 90}


def files(folder):
    """Bytes of every file below a folder, by name; without what Zarr was writing when it was killed."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".partial")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_kept_scores_are_homers_rounded_to_float16(scan, synthetic, tmp_path, threads):
    assert scan(threads=threads).code == 0
    store = ScoreStore.open(tmp_path / "scores")
    found = [store.read(Contig(name, length), 0, -(-length // 128)) for name, length in LENGTHS.items()]
    expected = np.load(synthetic / "scores.homer-200.npy")
    np.testing.assert_array_equal(np.concatenate(found, axis=1).T, expected.astype(np.float16))


@pytest.mark.parametrize("overlap", [0, 1280, 128])
def test_tracks_from_kept_scores_are_bit_for_bit_those_from_a_scan(scan, genome, tmp_path, overlap):
    assert scan().code == 0
    assert genome("--overlap", overlap, out=tmp_path / "scanned").code == 0
    assert genome("--overlap", overlap, out=tmp_path / "kept", scores=tmp_path / "scores").code == 0
    for track in TRACKS:
        name = f"sample.{track}.bw"
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "scanned" / name).read_bytes()
    record = json.loads((tmp_path / "kept/sample.run.json").read_text())
    assert record["scores"] == str(tmp_path / "scores")
    assert json.loads((tmp_path / "scanned/sample.run.json").read_text())["scores"] is None


def test_with_kept_scores_nothing_is_scanned_and_without_once_for_all_samples(scan, genome, tpm, tmp_path, monkeypatch):
    scan()
    scanned = []
    real = MotifScanner.scan

    def count(self, tokens, *, offset, bins):
        scanned.append(bins)
        return real(self, tokens, offset=offset, bins=bins)

    monkeypatch.setattr(MotifScanner, "scan", count)
    assert genome(out=tmp_path / "kept", scores=tmp_path / "scores").code == 0
    assert scanned == []
    assert genome("--tpm", f"other={tpm}", out=tmp_path / "two").code == 0
    assert sorted(path.name for path in (tmp_path / "two").glob("*.CTCF.bw")) == ["other.CTCF.bw", "sample.CTCF.bw"]
    assert scanned == [1, *[20] * 7, 17, 6, 1]  # to compile; the windows of each contig


def test_scores_serve_every_precision_and_sample(scan, genome, make_small_model, tmp_path):
    scan()
    assert genome(model=make_small_model("fp16"), scores=tmp_path / "scores").code == 0


def test_what_it_says(scan, tmp_path):
    store = tmp_path / "scores"
    first = scan(chromosome="one").err
    assert f"epigept-batch: {store}: will take about 3 kB\n" in first
    assert f"epigept-batch: {store}: 1 window after " in first
    again = scan("--chromosome", "two", chromosome="one").err
    assert f"epigept-batch: {store}: 1 window already scanned; continuing with 1\n" in again
    before = files(store)
    assert scan("--chromosome", "two", chromosome="one").err == f"epigept-batch: {store}: up to date, 4 kB\n"
    assert files(store) == before
    assert sorted(path.name for path in store.iterdir()) == ["one", "two", "zarr.json"]


def test_a_partial_store_says_what_is_missing_and_how_to_complete_it(scan, genome, fasta, small_model, tmp_path):
    store = tmp_path / "scores"
    scan(chromosome="two")
    done = genome(scores=store)
    assert done.code == 2
    assert done.err == (
        f"epigept-batch: {store}: store lacks 1 of 1 windows of one, 1 of 1 windows of three; complete it with: "
        f"epigept-batch scan --fasta {fasta} --model {small_model} --out {store} --chromosome one --chromosome three\n"
    )
    assert not (tmp_path / "out").exists()
    assert genome(scores=store, region="two:1-700").code == 0
    assert scan("--chromosome", "three", chromosome="one").code == 0
    assert genome(scores=store, out=tmp_path / "whole").code == 0


def test_a_store_of_another_genome_is_refused(scan, genome, fasta, tmp_path):
    store = tmp_path / "scores"
    scan()
    before = files(store)
    text = fasta.read_text()
    other = tmp_path / "other.fa"
    other.write_text(text.replace("ACG", "ACC", 1))
    for run in (genome(fasta=other, scores=store), scan(fasta=other)):
        assert run.code == 2
        assert f"{store}: store was made from another FASTA: its one has the MD5 " in run.err
    assert files(store) == before
    assert not (tmp_path / "out").exists()


def test_a_store_without_any_of_the_contigs_is_refused(scan, genome, fasta, tmp_path):
    store = tmp_path / "scores"
    scan()
    other = tmp_path / "other.fa"
    other.write_text(fasta.read_text().replace(">", ">chr"))
    done = genome(fasta=other, scores=store)
    assert done.code == 2
    assert done.err == (
        f"epigept-batch: {store}: store has scores of one, but none of chrone or any other selected contig; use the "
        "store of this genome\n"
    )


def test_a_store_for_another_motif_window_is_refused(scan, genome, tmp_path, given_model):
    store = tmp_path / "scores"
    scan()
    done = genome(model=given_model, scores=store)
    assert done.code == 2
    assert done.err == (
        f"epigept-batch: {store}: store has scores with motif hits in the window -37,164 around a bin, not 0,128; "
        "make a store for this model with epigept-batch scan\n"
    )
    done = scan(model=given_model)
    assert (done.code, "choose another --out" in done.err) == (2, True)


def test_a_damaged_store_ends_the_run_and_leaves_no_track(scan, genome, tmp_path):
    scan()
    chunk = tmp_path / "scores/one/c.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    done = genome(scores=tmp_path / "scores")
    assert done.code == 2
    assert f"{chunk}: damaged file" in done.err
    assert not (tmp_path / "out").exists()
    chunk.unlink()
    assert scan().code == 0
    assert genome(scores=tmp_path / "scores").code == 0


def test_no_room_is_said_before_most_of_the_work(scan, monkeypatch, fasta):
    fasta.write_text("".join(f">c{n}\n{'ACGTTGCATT' * 100}\n" for n in range(20)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    done = scan()
    assert done.code == 2
    advice = "free some space, choose another --out, or scan fewer"
    assert re.search(rf"requires about \d+ kB more, but only 0 kB are free; {advice}", done.err)
    assert "20/20" not in done.err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_scan_that_is_killed_goes_on_where_it_was(small_model, tmp_path, number):
    """60 windows, killed when some are kept: none of those is made again, and all is as if made in one go."""
    rng = np.random.default_rng(3)
    fasta = tmp_path / "long.fa"
    fasta.write_text(">long\n" + "".join(rng.choice(list("ACGT"), 60 * 128_000)) + "\n")
    words = [SCRIPTS / "epigept-batch", "scan", "--fasta", fasta, "--model", small_model, "--threads", "1", "--out"]
    store = tmp_path / "scores"

    def stored() -> dict[Path, int]:
        names = [path for path in store.glob("long/c.0.*") if path.suffix != ".partial"]
        return {path: path.stat().st_mtime_ns for path in names}

    with subprocess.Popen([*words, store], stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(stored()) < 5:
            time.sleep(0.005)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    kept = stored()
    assert 5 <= len(kept) < 60
    done = subprocess.run([*words, store], capture_output=True, text=True, check=True)
    assert f"{len(kept)} windows already scanned; continuing with {60 - len(kept)}\n" in done.stderr
    assert {path: stored()[path] for path in kept} == kept
    subprocess.run([*words, tmp_path / "whole"], capture_output=True, check=True)
    assert files(store) == files(tmp_path / "whole")


def test_real_scores_take_kilobytes_and_give_the_same_tracks(command, shared, make_hg38_model, chr2, tmp_path):
    model = make_hg38_model("fp32")
    done = command("epigept-batch", "scan", "--fasta", chr2, "--model", model, "--out", tmp_path / "scores")
    assert done.returncode == 0, done.stderr
    size = sum(len(content) for content in files(tmp_path / "scores").values())
    assert size / 18.23 < 135_000  # bytes a window; measured 124,000
    common = [
        *("epigept-batch", "genome", "--tpm", shared / "expression/encode_rsem.tsv.gz", "--fasta", chr2),
        *("--model", model, "--device", "cpu", "--region", "chr2:2,300,000-2,333,275", "--tracks", "DNase"),
    ]
    for out, options in (("scanned", []), ("kept", ["--scores", tmp_path / "scores"])):
        done = command(*common, "--out", tmp_path / out, *options)
        assert done.returncode == 0, done.stderr
    name = "encode_rsem.DNase.bw"
    assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "scanned" / name).read_bytes()
    assert not np.isnan(bigwigs.bins(tmp_path / "kept" / name, "chr2", bin_bp=128)[-260:]).any()


@pytest.mark.parametrize("end", ["replaced", "done"])
def test_a_fasta_that_is_replaced_during_a_scan_is_said_and_nothing_stays_open(scan, fasta, monkeypatch, end):
    threads, kept, real, real_genome = threading.enumerate(), [], MotifScanner.scan, scan_pipeline.Genome
    one_at_a_time = threading.Lock()

    def replacing(self, *rest, **options):
        with one_at_a_time:
            if end == "replaced":
                fasta.with_name("new").write_bytes(fasta.read_bytes())
                fasta.with_name("new").replace(fasta)
        return real(self, *rest, **options)

    monkeypatch.setattr(MotifScanner, "scan", replacing)
    monkeypatch.setattr(scan_pipeline, "Genome", lambda path: kept.append(real_genome(path)) or kept[-1])
    done = scan()
    assert done.code == (2 if end == "replaced" else 0)
    assert (f"epigept-batch: {fasta}: file was replaced during the run; rerun" in done.err) == (end == "replaced")
    assert not new_workers(threads)
    assert not open_links(fasta)
