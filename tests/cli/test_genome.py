"""`epigept-batch genome` on small inputs, against the torch network fed HOMER's own scores."""

import json
import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import bigwigs
import reference
from epigept_batch.cli.progress import ProgressBar
from epigept_batch.commands.genome import tracks
from epigept_batch.commands.run import plan
from epigept_batch.commands.run import run as pipeline
from epigept_batch.inference.session import Session
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.prediction import predict as prediction
from epigept_batch.sequence.genome import Genome
from epigept_batch.tracks.writers import TrackWriters
from epigept_export.convert import read_expression_reference
from epigept_export.model import EpiGePT
from expression import read_tpm
from held import new_workers, open_links
from small import SMALL, predict
from tolerances import NETWORK_TORCH, SAME

TRACKS = ("DNase", "CTCF", "H3K27ac")
CONTIGS = {"one": 20_000, "two": 700, "three": 90}
BINS, WINDOW = 20, 2560


def read(path, contig="one"):
    return bigwigs.bins(path, contig, bin_bp=128)


@pytest.fixture
def expected(sequences, network_inputs, small_state):
    """What each window start gives, (bins, tracks), and the whole contigs on the plain grid with NaN where all is N."""
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(small_state)

    def window(contig, start):
        tokens, scores, vector = network_inputs(contig, start)
        return predict(network, {"tokens": tokens[None], "motif_scores": scores[None], "expression": vector[None]})[
            0, 0
        ]

    def whole(contig, step=BINS):
        length = CONTIGS[contig]
        values = np.full((-(-length // 128), len(TRACKS)), np.nan, np.float32)
        windows = {}
        for b in range(len(values)):
            if set(sequences[contig][b * 128 : (b + 1) * 128]) & set("ACGT"):
                start = reference.owner(b, bins=BINS, step=step) * step * 128
                if start not in windows:
                    windows[start] = window(contig, start)
                values[b] = windows[start][b - start // 128]
        return values

    return whole


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("overlap", [0, 1280, 1920, 128])
def test_every_bin_of_every_contig_has_the_networks_value(genome, expected, tmp_path, overlap, threads):
    assert genome(threads=threads, overlap=overlap).code == 0
    for contig in CONTIGS:
        values = expected(contig, step=BINS - overlap // 128)
        for number, track in enumerate(TRACKS):
            found = read(tmp_path / f"out/sample.{track}.bw", contig)
            np.testing.assert_array_equal(np.isnan(found), np.isnan(values[:, number]))
            np.testing.assert_allclose(found, values[:, number], atol=NETWORK_TORCH, rtol=0)


def test_the_files_are_eight_bit_for_bit_the_same_again(genome, tmp_path):
    assert genome(out=tmp_path / "a").code == genome(out=tmp_path / "b").code == 0
    for track in TRACKS:
        name = f"sample.{track}.bw"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_bins_wholly_n_are_absent_and_the_last_is_clipped(genome, sequences, tmp_path):
    genome()
    path = tmp_path / "out/sample.CTCF.bw"
    assert bigwigs.contigs(path) == CONTIGS
    assert list(bigwigs.contigs(path)) == list(CONTIGS)
    for contig, length in CONTIGS.items():
        found = [(start, end) for start, end, _ in bigwigs.records(path, contig)]
        wanted = [
            (start, min(start + 128, length))
            for start in range(0, length, 128)
            if set(sequences[contig][start : start + 128]) & set("ACGT")
        ]
        assert found == wanted
    assert np.isnan(read(path)).any()


@pytest.mark.parametrize(
    ("options", "bins"),
    [
        (("--region", "one:5,000-9,000"), {"one": set(range(39, 71))}),
        (
            ("--region", "one:129-256", "--region", "two:1-1", "--region", "one:200-300"),
            {"one": {1, 2}, "two": {0}},
        ),
        (("--chromosome", "two"), {"two": set(range(6))}),
        (("--chromosome", "three", "--region", "two:600-"), {"two": {4, 5}, "three": {0}}),
        (("--region", "one", "--overlap", "1280"), None),
    ],
)
def test_a_part_has_the_values_of_the_whole(genome, tmp_path, options, bins):
    overlap = {"overlap": 1280} if "--overlap" in options else {}
    genome(out=tmp_path / "whole", **overlap)
    assert genome(*options, out=tmp_path / "part").code == 0
    for contig, length in CONTIGS.items():
        whole = read(tmp_path / "whole/sample.DNase.bw", contig)
        wanted = set(range(-(-length // 128))) if bins is None and contig == "one" else (bins or {}).get(contig, set())
        for b in set(range(len(whole))) - wanted:
            whole[b] = np.nan
        np.testing.assert_allclose(read(tmp_path / "part/sample.DNase.bw", contig), whole, rtol=SAME)


def test_bed_intervals(genome, tmp_path):
    bed = tmp_path / "a.bed"
    bed.write_text("one\t256\t384\none\t10000\t10001\nthree\t0\t90\n")
    genome(out=tmp_path / "whole")
    genome(out=tmp_path / "part", bed=bed)
    whole, part = (read(tmp_path / folder / "sample.DNase.bw") for folder in ("whole", "part"))
    assert np.flatnonzero(~np.isnan(part)).tolist() == [2, 78]
    np.testing.assert_array_equal(part[[2, 78]], whole[[2, 78]])
    assert len(bigwigs.records(tmp_path / "part/sample.DNase.bw", "three")) == 1


def test_main_chromosomes_by_default_and_all_contigs_on_request(genome, tmp_path, fasta):
    fasta.write_text(fasta.read_text().replace(">two", ">chr7"))
    genome(out=tmp_path / "main")
    genome("--all-contigs", out=tmp_path / "all")
    main, everything = (tmp_path / folder / "sample.DNase.bw" for folder in ("main", "all"))
    assert list(bigwigs.contigs(main)) == ["one", "chr7", "three"]
    assert [len(bigwigs.records(main, c)) > 0 for c in ("one", "chr7", "three")] == [False, True, False]
    assert [len(bigwigs.records(everything, c)) > 0 for c in ("one", "chr7", "three")] == [True, True, True]


def test_tracks_in_any_order_and_case(genome, tmp_path):
    genome(out=tmp_path / "all")
    assert genome("--tracks", "h3k27ac", "--tracks", "DNase, dnase", out=tmp_path / "two").code == 0
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == [
        "sample.DNase.bw",
        "sample.H3K27ac.bw",
        "sample.run.json",
    ]
    for track in ("DNase", "H3K27ac"):
        name = f"sample.{track}.bw"
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()


def test_linear_space_is_the_signal_itself(genome, tmp_path):
    genome(out=tmp_path / "log")
    genome(out=tmp_path / "linear", space="linear")
    log, linear = (read(tmp_path / folder / "sample.CTCF.bw") for folder in ("log", "linear"))
    np.testing.assert_allclose(linear, np.expm1(log.astype(np.float64)), rtol=SAME)


def test_two_samples_in_one_run_are_those_of_two_runs(genome, tmp_path, tpm):
    other = tmp_path / "other.genes.results"
    other.write_text(tpm.read_text().replace("F03\t", "F03\t9"))
    assert genome("--tpm", f"second={other}", out=tmp_path / "both").code == 0
    genome(out=tmp_path / "one")
    genome(out=tmp_path / "one", tpm=other)
    for first, second in (("sample", "sample"), ("second", "other")):
        both = read(tmp_path / f"both/{first}.CTCF.bw")
        np.testing.assert_allclose(both, read(tmp_path / f"one/{second}.CTCF.bw"), rtol=SAME)
    assert (read(tmp_path / "both/sample.CTCF.bw") != read(tmp_path / "both/second.CTCF.bw")).any()


def schedule(monkeypatch, *, overlapped):
    """Have stages run side by side, as with kept scores, or one after the other, as scan and network on a CPU."""
    real = prediction.make_schedule
    monkeypatch.setattr(
        prediction, "make_schedule", lambda *names, **o: real(*names, **(o | {"scans": not overlapped}))
    )


@pytest.mark.parametrize("overlapped", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_batch_threads_and_prefetch_change_no_value(
    genome, tmp_path, tpm, monkeypatch, batch_size, threads, overlapped
):
    schedule(monkeypatch, overlapped=overlapped)
    other = tmp_path / "other.tsv"
    other.write_text(tpm.read_text().replace("F03\t", "F03\t9"))
    genome("--tpm", other, out=tmp_path / "plain", **{"batch-size": 1})
    done = genome("--tpm", other, out=tmp_path / "this", threads=threads, **{"batch-size": batch_size})
    assert done.code == 0, done.err
    for path in sorted((tmp_path / "plain").glob("*.bw")):
        for contig in CONTIGS:
            np.testing.assert_allclose(read(tmp_path / "this" / path.name, contig), read(path, contig), rtol=SAME)
    assert json.loads((tmp_path / "this/sample.run.json").read_text())["batch_size"] == batch_size


@pytest.mark.timeout(60)
@pytest.mark.parametrize("overlapped", [True, False])
@pytest.mark.parametrize("stage", ["sequence", "scan", "network", "order", "write", "progress"])
@pytest.mark.parametrize("error", [RuntimeError("midway"), KeyboardInterrupt()])
def test_a_stage_that_fails_ends_the_run_and_leaves_no_thread(genome, tmp_path, monkeypatch, stage, error, overlapped):
    schedule(monkeypatch, overlapped=overlapped)
    place, name = {
        "sequence": (Genome, "tokens"),
        "scan": (MotifScanner, "scores"),
        "network": (Session, "run"),
        "order": (tracks, "runs"),
        "write": (TrackWriters, "write"),
        "progress": (ProgressBar, "advance"),
    }[stage]
    real, calls = getattr(place, name), []

    def fail_at_the_fourth(*arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            raise error
        return real(*arguments, **options)

    before = {thread.name for thread in threading.enumerate()}
    monkeypatch.setattr(place, name, fail_at_the_fourth)
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError, match="midway"):
            genome(**{"batch-size": 1})
    else:
        assert genome(**{"batch-size": 1}).code == 130
    assert {path.name for path in tmp_path.glob("out/*")} <= {".sample.journal"}
    assert not {t.name for t in threading.enumerate() if t.name.startswith("ahead")} - before


@pytest.mark.parametrize("tracks", [None, "CTCF"])
def test_windows_of_n_alone_are_passed_over(genome, fasta, tmp_path, tracks):
    fasta.write_text(">one\n" + "N" * 5120 + "ACGTTGCA" * 100 + "N" * 9000 + "\n")
    done = genome("--any-genome", tracks=tracks)
    assert done.code == 0, done.err
    values = bigwigs.bins(tmp_path / "out/sample.CTCF.bw", "one", bin_bp=128)
    assert (~np.isnan(values)).nonzero()[0].tolist() == list(range(40, 47))


def test_nothing_to_predict_leaves_nothing(genome, tmp_path, fasta):
    good = fasta.read_text()
    fasta.write_text(">one\n" + "N" * 5000 + "\n")
    assert genome().code == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "genome.fa.fai").unlink(missing_ok=True)
    fasta.write_text(good)
    assert genome().code == 0


def test_another_selection_is_not_another_genome(genome):
    genome(chromosome="one")
    done = genome(chromosome="two")
    assert "sample.run.json: existing tracks were made with a different selection of bins; choose another" in done.err


def test_normalised_values_are_taken_as_they_are(genome, tmp_path, tpm, small_reference):
    factors = tuple(f"F{n:02d}" for n in range(15))
    values = read_tpm(tpm, factors)
    cells = read_expression_reference(small_reference, factors)
    vector = np.expm1(reference.network_expression(values.by_factor, cells.matrix))
    ready = tmp_path / "ready.tsv"
    ready.write_text("gene_id\tTPM\n" + "".join(f"{n}\t{v!r}\n" for n, v in zip(factors, vector.tolist(), strict=True)))
    genome()
    assert genome("--normalised", tpm=ready).code == 0
    np.testing.assert_allclose(read(tmp_path / "out/ready.DNase.bw"), read(tmp_path / "out/sample.DNase.bw"), rtol=1e-5)


def test_provenance(genome, tmp_path, small_model, fasta, tpm):
    genome("--region", "one:1-3000", threads=1)
    record = json.loads((tmp_path / "out/sample.run.json").read_text())
    assert record["sample"] == "sample"
    assert record["device"] == "cpu"
    assert record["provider"] == "CPUExecutionProvider"
    assert record["arithmetic"] == "fp32"
    assert record["versions"]["runtime"].startswith("onnxruntime ")
    assert record["regions"] == ["one:1-3072"]
    assert record["factors"] == {"found": 15, "by_id": 15, "by_alias": 0, "renamed": {}, "missing": [], "repeated": {}}
    assert (record["windows"], record["bins"]) == (2, 24)
    assert record["paths"] == {"model": str(small_model), "fasta": str(fasta), "expression": str(tpm)}
    assert set(record["inputs"]["genome"]) == {"one"}
    assert record["files"] == {f"sample.{t}.bw": (tmp_path / f"out/sample.{t}.bw").stat().st_size for t in TRACKS}
    seconds = record["seconds"]
    assert {"inputs", "load", "sequence", "scan", "model", "journal", "write", "total"} == set(seconds)
    assert all(0 <= value <= seconds["total"] for stage, value in seconds.items() if stage != "total")
    assert record["peak_memory_bytes"] > 1e6


def test_json_goes_to_standard_output_and_progress_to_standard_error(genome):
    outcome = genome("--json", "--chromosome", "two")
    assert [record["sample"] for record in json.loads(outcome.out)] == ["sample"]
    assert "epigept-batch: 1 of 1 window, " in outcome.err
    assert re.search(r"\nepigept-batch: sample: 3 tracks of 6 bins in .*/out/ after \d+ s\n\n", outcome.err)


def test_a_run_ends_with_a_table_and_the_next_commands(genome, tmp_path):
    outcome = genome("--chromosome", "two", out=tmp_path / "my tracks")
    _, table, after = outcome.err.split("\n\n")
    header, *rows = table.splitlines()
    assert header.split() == ["sample", "track", "file", "mean", "99th", "percentile", "covered"]
    for row, track in zip(rows, TRACKS, strict=True):
        values = read(tmp_path / f"my tracks/sample.{track}.bw", "two")
        covered = 700 - 128 * int(np.isnan(values).sum())
        expected = ["sample", track, f"sample.{track}.bw", f"{np.nanmean(values):.3g}"]
        assert (row.split()[:4], row.split()[5:]) == (expected, [str(covered), "bp"])
    assert after.splitlines()[1:] == [
        f"  epigept-batch view '{tmp_path}/my tracks'",
        f"  epigept-batch report '{tmp_path}/my tracks'",
    ]
    assert genome("--quiet", "--chromosome", "two", out=tmp_path / "my tracks").err == ""


def test_a_run_that_ends_with_a_report_names_view_only(genome, tmp_path):
    pytest.importorskip("jinja2", reason="needs the [report] extra")
    assert genome("--chromosome", "two", "--report").err.split("\n\n")[-1].splitlines() == [
        "Next, look at the tracks:",
        f"  epigept-batch view {tmp_path}/out",
    ]


def test_run_again_is_up_to_date_and_computes_nothing(genome, tmp_path, monkeypatch):
    genome()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(Session, "run", pytest.fail)
    outcome = genome()
    assert outcome.code == 0
    assert outcome.err.startswith("epigept-batch: sample: up to date\n\nsample  track ")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--overlap", "1280"), "overlap"),
        (("--space", "linear"), "space"),
        (("--chromosome", "two"), "selection of bins"),
        (("--tracks", "CTCF"), "set of tracks"),
    ],
)
def test_other_inputs_are_refused_without_force(genome, tmp_path, options, named):
    genome()
    before = (tmp_path / "out/sample.CTCF.bw").read_bytes()
    outcome = genome(*options)
    assert outcome.code == 2
    assert (
        f"sample.run.json: existing tracks were made with a different {named}; choose another --out, or replace "
        "them with --force" in outcome.err
    )
    assert (tmp_path / "out/sample.CTCF.bw").read_bytes() == before
    assert genome(*options, "--force").code == 0
    assert genome(*options).err.startswith("epigept-batch: sample: up to date\n\n")


def test_raw_tpm_given_as_normalised_are_refused(genome, tmp_path):
    outcome = genome("--normalised")
    assert outcome.code == 2
    assert "the factors' values are not those of the model's expression reference" in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_changed_table_or_genome_is_another_input_and_a_moved_one_is_not(genome, tmp_path, tpm, fasta):
    genome()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    done = genome(fasta=fasta.rename(moved / "g.fa"), tpm=tpm.rename(moved / "sample.txt"))
    assert done.err.startswith("epigept-batch: sample: up to date\n\n")
    (moved / "g.fa").write_text((moved / "g.fa").read_text().replace("ACGT", "ACGA", 1))
    outcome = genome(fasta=moved / "g.fa", tpm=moved / "sample.txt")
    assert outcome.code == 2
    assert "existing tracks were made with a different genome;" in outcome.err


def test_a_home_that_cannot_be_written_only_costs_the_cache(genome, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("EPIGEPT_BATCH_HOME", str(tmp_path / "a file/home"))
    assert genome().code == 0


def test_somebody_elses_file_is_not_overwritten(genome, tmp_path):
    theirs = tmp_path / "out/sample.CTCF.bw"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    outcome = genome()
    assert outcome.code == 2
    assert "sample.CTCF.bw: file exists without a sample.run.json that says what it was made from" in outcome.err
    assert theirs.read_text() == "mine"


@pytest.mark.parametrize("error", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, RuntimeError("the device is gone")])
def test_a_run_that_ends_midway_leaves_its_journal_and_nothing_else(genome, tmp_path, monkeypatch, error):
    real, calls = Session.run, []

    def fail_at_the_third(self, *arguments):
        calls.append(1)
        if len(calls) == 3 and isinstance(error, RuntimeError):
            raise error
        if len(calls) == 3:
            os.kill(os.getpid(), error)
        return real(self, *arguments)

    monkeypatch.setattr(Session, "run", fail_at_the_third)
    if not isinstance(error, RuntimeError):
        outcome = genome()
        assert outcome.code == 130
        assert outcome.err.endswith("epigept-batch: interrupted\n")
    else:
        with pytest.raises(RuntimeError, match="the device is gone"):
            genome()
    assert {path.name for path in tmp_path.glob("out/*")} <= {".sample.journal"}


def test_a_run_under_nohup_outlives_its_terminal(genome, monkeypatch):
    def hang_up(self, *arguments):
        os.kill(os.getpid(), signal.SIGHUP)
        return real(self, *arguments)

    real = Session.run
    monkeypatch.setattr(Session, "run", hang_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert genome().code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_options_come_from_the_environment_and_defaults_from_the_home_folder(
    genome, tmp_path, monkeypatch, home, small_model, fasta, tpm
):
    (home / "model.onnx").symlink_to(small_model)
    (home / "genome.fa").symlink_to(fasta)
    monkeypatch.setenv("EPIGEPT_BATCH_GENOME_TPM", str(tpm))
    monkeypatch.setenv("EPIGEPT_BATCH_GENOME_OUT", str(tmp_path / "from_variable"))
    monkeypatch.setenv("EPIGEPT_BATCH_GENOME_TRACKS", "CTCF")
    assert genome(tpm=None, fasta=None, model=None, out=None, device=None).code == 0
    assert sorted(p.name for p in (tmp_path / "from_variable").iterdir()) == [
        "sample.CTCF.bw",
        "sample.run.json",
    ]


def test_the_current_folder_is_the_default_output(genome, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert genome(out=None).code == 0
    assert (tmp_path / "here/sample.run.json").exists()


def test_replicates_of_a_matrix_are_one_sample_and_run_json_says_so(genome, tmp_path):
    rows = [f"F{n:02d}\t{n}\t{n + 2}\t7\n" for n in range(15)]
    matrix = tmp_path / "matrix.tsv"
    matrix.write_text("gene\tr1\tr2\tother\n" + "".join(rows))
    mean = tmp_path / "mean.tsv"
    mean.write_text("gene\tTPM\n" + "".join(f"F{n:02d}\t{n + 1}\n" for n in range(15)))
    assert genome("--sample", "r1", "--sample", "r2", "--chromosome", "two", tpm=matrix, merge="rep").code == 0
    assert genome("--chromosome", "two", tpm=mean).code == 0
    np.testing.assert_array_equal(read(tmp_path / "out/rep.CTCF.bw", "two"), read(tmp_path / "out/mean.CTCF.bw", "two"))
    record = json.loads((tmp_path / "out/rep.run.json").read_text())
    assert record["paths"]["expression"] == str(matrix)
    assert [table["column"] for table in record["expression"]["tables"]] == ["r1", "r2"]
    assert record["expression"]["tables"][0]["format"] == "matrix"
    assert record["expression"]["nearest_cell"]["cell"] in {"a", "b", "c", "d"}


def test_merged_tables_are_all_named(genome, tmp_path, tpm):
    other = tmp_path / "other.tsv"
    other.write_text(tpm.read_text())
    assert genome("--tpm", other, "--chromosome", "two", merge="rep").code == 0
    record = json.loads((tmp_path / "out/rep.run.json").read_text())
    assert record["paths"]["expression"] == [str(tpm), str(other)]
    assert len(record["sha256"]["expression"]) == 2


def replaced(path):
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)


def grown(path):
    with path.open("a") as stream:
        stream.write(">new\nACGT\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [(replaced, "was replaced"), (grown, "changed"), (Path.unlink, "disappeared")],
)
def test_what_was_read_of_a_fasta_that_changes_meanwhile_is_not_published(
    genome, fasta, tmp_path, monkeypatch, change, said
):
    """After its last window is read nothing else than a look at the file can tell; the new file may hold the same."""
    assert genome(chromosome="two").code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    real = Session.run

    def run(self, *rest):
        change(fasta)
        return real(self, *rest)

    monkeypatch.setattr(Session, "run", run)
    done = genome("--force", chromosome="two", space="linear")
    assert done.code == 2
    assert f"epigept-batch: {fasta}: file {said} during the run" in done.err
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert after.pop(".sample.journal")
    assert after == before


@pytest.mark.parametrize("end", ["done", "refused", "interrupted", "store"])
def test_a_run_leaves_no_thread_and_no_open_fasta(genome, scan, fasta, tmp_path, monkeypatch, end):
    kept, threads = [], threading.enumerate()
    real = pipeline.make_plan

    def keeping(*arguments):
        kept.append(real(*arguments))  # else it would be closed for want of anybody who has it
        return kept[-1]

    monkeypatch.setattr(pipeline, "make_plan", keeping)
    options = {"chromosome": "two"}
    if end == "store":
        assert scan(chromosome="two").code == 0
        options["scores"] = tmp_path / "scores"
    if end == "interrupted":
        monkeypatch.setattr(Session, "run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    if end == "refused":
        assert genome(**options).code == 0
        options["space"] = "linear"
    assert genome(**options).code == {"refused": 2, "interrupted": 130}.get(end, 0)
    assert kept
    assert not new_workers(threads)
    assert not open_links(fasta)


def test_a_plan_that_fails_leaves_no_open_fasta(genome, fasta, monkeypatch):
    kept, real = [], plan.Genome
    monkeypatch.setattr(plan, "Genome", lambda path: kept.append(real(path)) or kept[-1])
    assert genome(chromosome="nine").code == 2
    assert len(kept) == 1
    assert not open_links(fasta)
