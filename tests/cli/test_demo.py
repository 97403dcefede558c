"""`epigept-batch demo`: needs nothing, and what its network has learned."""

import json
import subprocess
import sys

import numpy as np
import pytest

import bigwigs
from conftest import runner_of
from epigept_batch.commands import demo as demo_pipeline
from epigept_batch.commands.demo import CONTIG, SAMPLES, SEED
from epigept_batch.inference.model_file import read_spec
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from epigept_batch.cli.main import main; main()"


demo_of = runner_of("demo", {"threads": 2})


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo in an empty folder, in a process in which torch cannot be imported."""
    folder = tmp_path_factory.mktemp("demo")
    words = [sys.executable, "-c", WITHOUT_TORCH, "demo"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "epigept-demo", done


def test_the_network_beats_both_baselines_on_a_contig_and_cells_it_has_not_seen(demo):
    evaluation = json.loads((demo[0] / "evaluation.json").read_text())
    assert [track["name"] for track in evaluation["tracks"]] == list(TRACKS)
    for track in evaluation["tracks"]:
        assert track["model"] > track["mean_of_training_cells"] + 0.005
        assert track["model"] > track["linear"] + 0.005
        assert track["model"] > 0.92


def test_what_it_has_not_seen_it_has_not_seen(demo):
    spec = read_spec(demo[0] / "model.onnx")
    assert CONTIG not in spec.training_windows
    assert not set(SAMPLES) & set(spec.reference.cells)
    assert len(spec.reference.cells) == 32


def test_the_figures_are_of_the_files(demo):
    folder, _ = demo
    evaluation = json.loads((folder / "evaluation.json").read_text())
    grammar = Grammar(SEED)
    tokens = make_contig(SEED, CONTIG, 2_000_000, grammar.motif_set)
    scores = grammar.motif_scores(tokens)
    for cell in SAMPLES:
        truth = np.log1p(grammar.truth(tokens, scores, make_expression(SEED, cell)))
        for number, track in enumerate(TRACKS):
            found = bigwigs.bins(folder / f"tracks/{cell}.{track}.bw", CONTIG, bin_bp=128)
            r = np.corrcoef(found, truth[:, number])[0, 1]
            assert evaluation["by_sample"][cell][number]["model"] == pytest.approx(r, abs=1e-6)


def test_evaluate_gives_the_same_figures(demo, command):
    folder, _ = demo
    files = [f"{folder}/measured/{{sample}}.{{track}}.bw", "--training", f"{folder}/training/{{cell}}.{{track}}.bw"]
    done = command("epigept-batch", "evaluate", "--predicted", folder / "tracks", "--measured", *files, "--json")
    assert done.returncode == 0, done.stderr
    documents = {(document["sample"], document["track"]): document for document in json.loads(done.stdout)}
    own = json.loads((folder / "evaluation.json").read_text())["by_sample"]
    assert len(documents) == len(SAMPLES) * len(TRACKS)
    for cell, tracks in own.items():
        for track in tracks:
            document = documents[cell, track["name"]]
            found = document["parts"][0]["predictors"]
            assert found["prediction"]["pearson_log1p"] == pytest.approx(track["model"], abs=1e-7)
            mean = found["mean_of_training_cells"]["pearson_log1p"]
            assert mean == pytest.approx(track["mean_of_training_cells"], abs=1e-7)
            assert document["training"]["cells"] == 32
            assert document["cell_seen"] is False
            assert "no bin lies in a window that the network was trained on" in document["notes"]


def test_the_report_says_what_was_made_and_what_to_do_next(demo):
    _, done = demo
    assert "Created epigept-demo/ for two samples" in done.stdout
    assert "  cell39.tsv, cell40.tsv   their TPM\n" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0] in TRACKS] == [
        *TRACKS
    ]
    assert "epigept-batch genome --tpm sample.tsv" in done.stdout
    assert "setup downloads genome and weights once, and needs the [export] extra" in done.stdout


def test_the_demo_may_be_run_again_and_spares_what_is_not_its_own(demo, command, tmp_path):
    folder, _ = demo
    before = (folder / "evaluation.json").read_text()
    done = command("epigept-batch", "demo", "--out", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "evaluation.json").read_text() == before
    (tmp_path / "mine").touch()
    done = command("epigept-batch", "demo", "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"epigept-batch: {tmp_path}: exists and was not made by a demo; choose another --out\n"


def test_a_demo_that_was_stopped_may_be_run_again(tmp_path, monkeypatch):
    folder = tmp_path / "demo"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo_pipeline, "run_genome", stop)
        assert demo_of(out=folder).code == 130
    assert (folder / "genome.fa").exists()
    assert demo_of(out=folder).code == 0
    assert not list(folder.glob(".*"))


def test_the_package_data_are_small():
    from importlib import resources

    assert resources.files("epigept_batch.demo").joinpath("model.onnx").stat().st_size < 2_000_000
