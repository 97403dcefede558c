"""Live what-if questions about folders that were written without the program: what is kept, refused and noted."""

import json
import threading
from contextlib import closing

import numpy as np
import pytest

import run_folders
from epigept_batch.browser.live import Question
from epigept_batch.commands.view import live
from epigept_batch.commands.view.live import LiveModel, LiveRequest
from epigept_batch.errors import InputError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.prediction import what_if
from epigept_batch.results.folder import read_run_folder
from epigept_batch.spec import Spec

WINDOW_BP = 2560
CONTIGS = {"one": 23_100, "two": 6000, "three": 6000}


@pytest.fixture
def load(tmp_path, small_model, tpm, other_tpm):
    """Load the small model for two samples on random sequence; the last contig consists of N."""
    opened = []
    sequence = run_folders.bases(CONTIGS) | {"three": "N" * CONTIGS["three"]}
    fasta = tmp_path / "genome.fa"
    fasta.write_text("".join(f">{name}\n{text}\n" for name, text in sequence.items()))
    for sample in "ab":
        run_folders.write_sample(tmp_path / "tracks", sample, fasta, sequence, contigs=CONTIGS)

    def load():
        request = LiveRequest(
            samples=SampleRequest((("a", tpm), ("b", other_tpm))), model=small_model, fasta=fasta, device=CPU
        )
        opened.append(LiveModel(request, read_run_folder(tmp_path / "tracks"), lambda _: None))
        return opened[-1]

    yield load
    for model in opened:
        model.__exit__()


def change_inputs(path, **inputs):
    """Change what a record says of the inputs."""
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"inputs": record["inputs"] | inputs}))


def values(answer):
    with closing(answer.pieces):
        return np.concatenate([piece.values for piece in answer.pieces], axis=1)


def test_what_is_kept_is_of_the_same_sample_and_place(load):
    """A change that changes nothing gives twice the same; with kept values of another question it would not."""
    model = load()
    found = {}
    for region in ("one:1-1000", "two:1-1000", "one:1-1500", "one:2600-3500"):
        for sample in "ab":
            as_is, changed = values(model.ask(Question(sample, region, "F03*1")))
            np.testing.assert_array_equal(as_is, changed)
            found[region, sample] = as_is[:7]
    kept = list(found.values())
    assert all(np.abs(kept[0] - one).max() > 1e-4 for one in (found["two:1-1000", "a"], found["one:1-1000", "b"]))


def test_windows_are_kept_up_to_a_number_and_the_oldest_goes_first(load, monkeypatch):
    monkeypatch.setattr(what_if, "KEPT_WINDOWS", 2)
    predicted, made = [], what_if.haplotype_signals
    monkeypatch.setattr(
        what_if, "haplotype_signals", lambda *words, **more: predicted.append(1) or made(*words, **more)
    )
    model = load()
    numbers = []
    for start in (1, 3001, 1, 6001, 1, 3001):
        before = len(predicted)
        values(model.ask(Question("a", f"one:{start}-{start + 99}", "F03=0")))
        numbers.append(len(predicted) - before)
    assert numbers == [2, 2, 1, 2, 1, 2]


def test_a_window_without_bases_has_no_values(load):
    found = values(load().ask(Question("a", "three:1-1000", "F03=0")))
    assert found.shape == (2, 8, 3)
    assert np.isnan(found).all()


def test_one_answer_is_computed_at_a_time(load):
    model, done = load(), threading.Event()
    first = model.ask(Question("a", "one:1-5000", "F03=0"))
    next(first.pieces)
    second = model.ask(Question("b", "one:1-100", "F03=0"))
    thread = threading.Thread(target=lambda: (values(second), done.set()))
    thread.start()
    assert not done.wait(0.7)
    first.pieces.close()
    assert done.wait(60)
    thread.join()


def test_variants_that_the_motif_scores_of_a_window_reach(load, small_model):
    geometry = read_spec(small_model).geometry
    assert (geometry.window_bp, min(geometry.before, geometry.after) > 0) == (WINDOW_BP, True)
    model = load()
    window = f"one:{WINDOW_BP + 1}-{WINDOW_BP + 100}"
    first, last = WINDOW_BP - geometry.before + 1, 2 * WINDOW_BP + geometry.after  # 1-based, which scores depend on
    for position in (first, last):
        model.ask(Question("a", window, variant=f"one:{position} del")).pieces.close()
    for position in (first - 3, last + 3):
        with pytest.raises(InputError, match="outside of the windows of the region"):
            model.ask(Question("a", window, variant=f"one:{position} del"))


def test_a_question_is_about_at_most_a_megabase(load, monkeypatch):
    assert live.MOST_BP == 8 * 128_000  # eight windows of the published networks
    monkeypatch.setattr(live, "MOST_BP", 8 * WINDOW_BP)
    model = load()
    answer = model.ask(Question("a", f"one:1-{8 * WINDOW_BP}", "F03=0"))
    answer.pieces.close()
    assert answer.windows == 8
    with pytest.raises(InputError, match="20,481 bp are shown; zoom in to at most 20,480 bp"):
        model.ask(Question("a", f"one:1001-{1000 + 8 * WINDOW_BP + 1}", "F03=0"))


def test_a_factor_and_a_variant_are_both_named(load):
    answer = load().ask(Question("a", "one:1-1000", " F03=0 ", " one:100 del "))
    answer.pieces.close()
    assert len(answer.changes) == 2
    assert answer.changes[0].startswith("F03")
    assert answer.changes[1] == "one:100 del in the sequence"


def test_notes_name_another_model_of_any_sample_and_the_limits_of_this_one(load, tmp_path, small_model, monkeypatch):
    digest = file_sha256(small_model)
    for sample in "ab":
        change_inputs(tmp_path / f"tracks/{sample}.run.json", model=digest)
    assert load().notes == ()
    change_inputs(tmp_path / "tracks/b.run.json", model="0" * 64)
    monkeypatch.setattr(Spec, "caution", "it extrapolates")
    another, limits = load().notes
    assert "is not the model that made the tracks" in another
    assert limits == "it extrapolates"


def test_a_genome_without_a_contig_of_the_tracks_is_refused(load, tmp_path):
    change_inputs(tmp_path / "tracks/b.run.json", genome={"four": "0" * 32})
    with pytest.raises(InputError, match="four differs from the genome of b's tracks"):
        load()
