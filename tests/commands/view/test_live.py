"""Live what-if questions: the same values as `genome` writes for perturbed copies and personal genomes."""

from contextlib import closing

import numpy as np
import pytest

import bigwigs
from epigept_batch.browser.live import Question
from epigept_batch.commands.view.live import LiveModel, LiveRequest
from epigept_batch.errors import InputError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.device import CPU
from epigept_batch.results.folder import read_run_folder
from tolerances import SAME
from vcfs import write_vcf

TRACKS = ("DNase", "CTCF", "H3K27ac")
REGION, FIRST, LAST = "one:5,000-12,000", 4_999 // 128, -(-12_000 // 128)


def written(folder, sample, first=FIRST, last=LAST):
    """Values of a region in the bigWigs, (bins, tracks)."""
    return np.stack(
        [bigwigs.bins(folder / f"{sample}.{track}.bw", "one", bin_bp=128)[first:last] for track in TRACKS], axis=1
    )


def values(answer):
    """All bins of an answer, (2, bins, tracks); checks that they are those of the region, in order."""
    with closing(answer.pieces):
        pieces = list(answer.pieces)
    ends = [piece.first_bin + piece.values.shape[1] for piece in pieces]
    assert [piece.first_bin for piece in pieces[1:]] == ends[:-1]
    return np.concatenate([piece.values for piece in pieces], axis=1)


@pytest.fixture
def out(genome, tmp_path):
    """Tracks of the sample and of a copy, with overlapping windows."""
    assert genome("--set", "F03=0,F07*3", sample="sample", overlap=1280).code == 0
    return tmp_path / "out"


@pytest.fixture
def live(fasta, small_model, tpm, out):
    """Load the model for these tracks; returns it with what it said."""
    opened, said = [], []

    def load(model=small_model, fasta=fasta, names=("sample",)):
        samples = SampleRequest(tuple((name, tpm) for name in names))
        request = LiveRequest(samples=samples, model=model, fasta=fasta, device=CPU, threads=2)
        opened.append(LiveModel(request, read_run_folder(out), said.append))
        return opened[-1], said

    yield load
    for model in opened:
        model.__exit__()


def test_changed_factors_equal_a_copy_of_genome(out, live):
    model, _ = live()
    answer = model.ask(Question("sample", REGION, "F03=0,F07*3"))
    found = values(answer)
    np.testing.assert_allclose(found[0], written(out, "sample"), rtol=0, atol=SAME)
    np.testing.assert_allclose(found[1], written(out, "sample+F03-0+F07x3"), rtol=0, atol=SAME)
    assert np.nanmax(np.abs(found[1] - found[0])) > 1e-3
    assert answer.windows > 1
    assert [change.split()[0] for change in answer.changes] == ["F03", "F07"]


@pytest.mark.parametrize("settings", ["", "F03=0,F07*3"])
@pytest.mark.parametrize(
    ("typed", "position", "ref", "alt"),
    [
        ("one:7001 {ref}>{alt}", 7_000, 1, "A"),
        ("one:7001-7150 del", 6_999, 151, ""),
        ("one:7000 ins GATTACA", 6_999, 1, "GATTACA"),
    ],
)
def test_a_variant_equals_a_personal_genome(
    genome, live, out, sequences, tmp_path, typed, position, ref, alt, settings
):
    bases = sequences["one"][position : position + ref]
    alt = ("C" if bases == "A" else "A") if alt == "A" else bases[0] + alt
    vcf = write_vcf(tmp_path / "one.vcf", [("one", position, bases, alt, "1|0")])
    options = [] if not settings else ["--set", settings]
    assert genome("--vcf", vcf, *options, sample="sample", overlap=1280, out=tmp_path / "personal").code == 0
    model, _ = live()
    found = values(model.ask(Question("sample", REGION, settings, typed.format(ref=bases, alt=alt))))
    name = "sample" if not settings else "sample+F03-0+F07x3"
    np.testing.assert_allclose(found[1], written(tmp_path / "personal", f"{name}.h1"), rtol=0, atol=SAME)
    np.testing.assert_allclose(found[0], written(out, "sample"), rtol=0, atol=SAME)
    assert np.nanmax(np.abs(found[1] - found[0])) > 1e-4


def test_answers_have_the_space_of_the_tracks(genome, live, out):
    assert genome("--force", sample="sample", overlap=1280, space="linear").code == 0
    for path in out.glob("sample+*"):
        path.unlink()
    model, _ = live()
    found = values(model.ask(Question("sample", REGION, "F03=0")))
    np.testing.assert_allclose(found[0], written(out, "sample"), rtol=1e-6)


def test_expression_is_that_of_the_table(live, tpm):
    model, _ = live()
    found = model.expression()
    assert list(found) == ["sample"]
    assert len(found["sample"]) == 15
    assert found["sample"]["F03"] == pytest.approx(
        next(float(line.split()[-1]) for line in tpm.read_text().splitlines() if line.split()[0] == "F03"), rel=1e-6
    )


def test_an_answer_can_be_stopped_and_the_next_one_begins(live):
    model, _ = live()
    first = model.ask(Question("sample", "one:1-9000", "F03=0"))
    next(first.pieces)
    first.pieces.close()
    assert values(model.ask(Question("sample", REGION, "F03=0"))).shape == (2, LAST - FIRST, 3)


REFUSED = (
    (Question("other", REGION, "F03=0"), "no expression of sample 'other'; there is one of sample"),
    (Question("sample", "four", "F03=0"), "the genome has no contig 'four'"),
    (Question("sample", REGION), "nothing to change"),
    (Question("sample", REGION, " ", " "), "nothing to change"),
    (Question("sample", REGION, "F99=0"), "the model has no factor 'F99'"),
    (Question("sample", REGION, "F03"), "F03"),
    (Question("sample", REGION, variant="one:19000 del"), "outside of the windows of the region"),
    (Question("sample", REGION, variant="two:100 del"), "outside of the windows of the region"),
    (Question("sample", REGION, variant="one:5000-9000 del"), "at most 1,280 bp"),
)


def test_questions_that_cannot_be_answered(live):
    model, _ = live()
    for question, said in REFUSED:
        with pytest.raises(InputError) as raised:
            model.ask(question)
        assert said in str(raised.value)


def test_another_genome_is_refused(live, fasta, tmp_path):
    other = tmp_path / "other.fa"
    text = fasta.read_text()
    other.write_text(text[:2000] + ("C" if text[2000] in "Aa" else "A") + text[2001:])
    with pytest.raises(InputError, match="differs from the genome of sample's tracks"):
        live(fasta=other)


def test_another_model_and_lacking_samples_are_said(live, make_small_model):
    model, _ = live(model=make_small_model("fp32", "plain"), names=("else",))
    assert any("is not the model that made the tracks" in one for one in model.notes)
    assert any("no expression of sample" in one for one in model.notes)
