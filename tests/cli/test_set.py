"""`--set` and `--differences`: perturbed copies of samples, against runs on tables of the perturbed vector."""

import json
from dataclasses import replace

import numpy as np
import pytest

import bigwigs
import reference
from conftest import runner_of
from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.run import run as pipeline
from epigept_batch.commands.run.product import NamedSample
from epigept_batch.errors import InputError
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import Session
from epigept_batch.tracks import writers
from epigept_export.convert import read_expression_reference
from expression import read_tpm
from tolerances import SAME

TRACKS = ("DNase", "CTCF", "H3K27ac")
FACTORS = tuple(f"F{number:02d}" for number in range(15))
CONTIGS = ("one", "two", "three")


def read(path):
    """Values of every bin of all contigs, NaN where there is none."""
    return np.concatenate([bigwigs.bins(path, contig, bin_bp=128) for contig in CONTIGS])


def tracks(folder, sample):
    return np.stack([read(folder / f"{sample}.{track}.bw") for track in TRACKS])


def differences(folder, copy):
    return np.stack([read(folder / f"{copy}.{track}.difference.bw") for track in TRACKS])


def record(folder, sample, kind="run"):
    return json.loads((folder / f"{sample}.{kind}.json").read_text())


def names(folder):
    return {path.name for path in folder.iterdir()}


def of_copy(name, *, with_differences=True):
    """The names of a copy's files."""
    endings = [f"{track}.bw" for track in TRACKS] + ["run.json"]
    return {f"{name}.{e}" for e in endings + [f"{track}.difference.bw" for track in TRACKS] * with_differences}


@pytest.fixture
def normalised_table(tmp_path, tpm, small_reference):
    """Write a normalised table of the network's input with changed factors, by the naive way: None is absent."""
    values = read_tpm(tpm, FACTORS).by_factor
    cells = read_expression_reference(small_reference, FACTORS)
    distribution = np.sort(cells.matrix, axis=0).mean(axis=1)

    def write(name, **changes):
        vector = np.expm1(reference.network_expression(values, cells.matrix))
        for factor, after in changes.items():
            others = np.delete(values, FACTORS.index(factor))
            vector[FACTORS.index(factor)] = 0 if after is None else distribution[(others < after).sum()]
        path = tmp_path / f"{name}.tsv"
        rows = "".join(f"{factor}\t{value!r}\n" for factor, value in zip(FACTORS, vector.tolist(), strict=True))
        path.write_text(f"gene_id\tTPM\n{rows}")
        return path

    return write


def test_a_copy_is_a_run_on_the_perturbed_vector(genome, normalised_table, tmp_path, tpm):
    tpm_of = dict(zip(FACTORS, read_tpm(tpm, FACTORS).by_factor.tolist(), strict=True))
    copies = {
        "F03-40": ("F03=40", {"F03": 40}),
        "F01x3": ("F01*3", {"F01": 3 * tpm_of["F01"]}),
        "F02-absent": ("F02=absent", {"F02": None}),
        "F05-0+F02-0": ("F05=0,F02=0", {"F05": 0, "F02": 0}),
    }
    done = genome(*(word for written, _ in copies.values() for word in ("--set", written)))
    assert done.code == 0, done.err
    assert names(tmp_path / "out") == set().union(
        *(of_copy(name, with_differences=False) for name in ("sample", *(f"sample+{copy}" for copy in copies)))
    )
    plain = tracks(tmp_path / "out", "sample")
    for name, (_, changes) in copies.items():
        assert genome("--normalised", tpm=normalised_table(name, **changes), out=tmp_path / "fed").code == 0
        found = tracks(tmp_path / "out", f"sample+{name}")
        np.testing.assert_allclose(found, tracks(tmp_path / "fed", name), rtol=1e-5)
        assert np.nanmax(np.abs(found - plain)) > 1e-3


@pytest.mark.parametrize(
    "options", [{}, {"space": "linear", "threads": 2, "overlap": 1280}, {"tracks": "H3K27ac,dnase"}]
)
def test_differences_are_the_copies_tracks_minus_those_of_their_own_sample(genome, other_tpm, tmp_path, options):
    done = genome("--tpm", other_tpm, "--set", "F03=40", "--set", "F02=absent", "--differences", **options)
    assert done.code == 0, done.err
    written = {path.name.split(".")[1] for path in (tmp_path / "out").glob("sample.*.bw")}
    assert written == ({"H3K27ac", "DNase"} if "tracks" in options else set(TRACKS))
    for sample in ("sample", "other"):
        for copy in (f"{sample}+F03-40", f"{sample}+F02-absent"):
            for track in written:
                before, after = (read(tmp_path / f"out/{name}.{track}.bw") for name in (sample, copy))
                found = read(tmp_path / f"out/{copy}.{track}.difference.bw")
                np.testing.assert_array_equal(found, after - before)
                assert np.isnan(found).any()
                assert np.nanmax(np.abs(found)) > 1e-3
        assert not list((tmp_path / "out").glob(f"{sample}.*.difference.bw"))
    assert len(list((tmp_path / "out").glob("*.difference.bw"))) == 4 * len(written)


def test_a_sample_and_its_record_are_the_same_with_copies_beside_it(genome, tmp_path):
    assert genome(out=tmp_path / "alone").code == 0
    assert genome("--set", "F03=40", "--differences").code == 0
    np.testing.assert_allclose(tracks(tmp_path / "out", "sample"), tracks(tmp_path / "alone", "sample"), rtol=SAME)
    alone, beside = (record(tmp_path / folder, "sample") for folder in ("alone", "out"))
    assert list(alone) == list(beside)
    assert "perturbation" not in beside
    assert alone["inputs"] == beside["inputs"]
    assert alone["inputs"]["expression"].keys() == {"sha256", "normalised"}
    done = genome("--set", "F03=40", out=tmp_path / "alone")
    assert (done.code, "epigept-batch: sample: up to date\n" in done.err) == (0, True)
    assert record(tmp_path / "alone", "sample") == alone


def test_the_record_and_stderr_say_what_changes(genome, tmp_path, tpm):
    tpm.write_text("gene_id\tTPM\n" + "".join(f"{factor}\t{10 * n}\n" for n, factor in enumerate(FACTORS)))
    done = genome("--set", "F03=55,F02=25", "--differences", "--json")
    assert done.code == 0, done.err
    mine = record(tmp_path / "out", "sample+F03-55+F02-25")
    assert mine["sample"] == "sample+F03-55+F02-25"
    assert mine["inputs"]["expression"]["set"] == "F03=55,F02=25"
    assert mine["files"].keys() == {name for name in of_copy(mine["sample"]) if name.endswith(".bw")}
    assert (mine["perturbation"]["of"], mine["perturbation"]["set"]) == ("sample", "F03=55,F02=25")
    first, second = mine["perturbation"]["changes"]
    assert (first["factor"], first["tpm"], first["rank"], first["does_nothing"]) == ("F03", [30, 55], [3, 5], False)
    assert (second["factor"], second["tpm"], second["rank"], second["does_nothing"]) == ("F02", [20, 25], [2, 2], True)
    assert second["network_input"][0] == second["network_input"][1]
    assert "epigept-batch: sample+F03-55+F02-25: F03 TPM 30 to 55, rank 3 to 5, network input " in done.err
    assert ", because it passes no other factor's TPM: this setting does nothing\n" in done.err
    assert "sample+F03-55+F02-25: 3 tracks and 3 differences of 160 bins in" in done.err
    assert [one["sample"] for one in json.loads(done.out)] == ["sample", "sample+F03-55+F02-25"]


def test_a_setting_that_passes_no_rank_gives_a_difference_of_zero(genome, tmp_path, tpm):
    tpm.write_text("gene_id\tTPM\n" + "".join(f"{factor}\t{10 * n}\n" for n, factor in enumerate(FACTORS)))
    done = genome("--set", "F03=35", "--differences")
    assert "rank 3 to 3, network input stays" in done.err
    found = differences(tmp_path / "out", "sample+F03-35")
    assert (found[~np.isnan(found)] == 0).all()
    assert not np.isnan(found).all()


def test_normalised_values_are_set_on_their_scale(genome, tmp_path, normalised_table):
    ready, fed = normalised_table("ready"), tmp_path / "fed.tsv"
    values = dict(line.split("\t") for line in ready.read_text().splitlines()[1:])
    done = genome("--normalised", "--set", f"F03={values['F05']},F01=absent", "--set", "F02*2", tpm=ready)
    assert done.code == 0, done.err
    (copy,) = (path.name.removesuffix(".run.json") for path in (tmp_path / "out").glob("ready+F03*.run.json"))
    changes = [
        change for name in (copy, "ready+F02x2") for change in record(tmp_path / "out", name)["perturbation"]["changes"]
    ]
    assert [change["rank"] for change in changes] == [None] * 3
    after = [np.log1p(float(values["F05"])), 0, np.log1p(2 * float(values["F02"]))]
    np.testing.assert_allclose([change["network_input"][1] for change in changes], after, rtol=1e-6)
    changed = values | {"F03": values["F05"], "F01": "0"}
    fed.write_text("gene_id\tTPM\n" + "".join(f"{name}\t{value}\n" for name, value in changed.items()))
    assert genome("--normalised", tpm=fed).code == 0
    np.testing.assert_allclose(tracks(tmp_path / "out", copy), tracks(tmp_path / "out", "fed"), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "f03=0"], "--set f03=0: the model has no factor 'f03'; did you mean F03"),
        (["--set", "F03"], "--set F03: cannot read 'F03'; use 'GATA1=0' for a TPM"),
        (["--set", "F03=-1"], "--set F03=-1: '-1' is not a number of at least 0; use"),
        (["--set", "F03=nan"], "--set F03=nan: 'nan' is not a number of at least 0; use"),
        (["--set", "F03=0", "--set", "F03=0.0"], "--set F03=0: given twice; remove one"),
        (["--set", "F03=0,F03=1"], "--set F03=0,F03=1: sets F03 twice; use one value per factor"),
        (["--set", "F14*2"], "--set F14*2: the table lacks F14, so there is nothing to multiply; set a TPM, such as"),
        (["--differences"], "--differences: no perturbed copy to subtract from; add --set FACTOR=TPM, or omit"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_written(genome, tmp_path, tpm, options, said):
    tpm.write_text("".join(tpm.read_text().splitlines(keepends=True)[:-1]))
    outcome = genome("--max-missing", "0.1", *options)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(f"epigept-batch: {said}")
    assert not (tmp_path / "out").exists()


def test_a_factor_is_checked_before_tables_are_read(genome, tmp_path):
    done = genome("--set", "f03=0", tpm=tmp_path / "absent.tsv")
    assert done.err == "epigept-batch: --set f03=0: the model has no factor 'f03'; did you mean F03?\n"


def test_a_model_whose_tracks_are_named_as_differences_is_refused(small_model, tmp_path):
    spec = replace(read_spec(small_model), tracks=("CTCF", "DNase", "DNase.difference"))
    options = {"bin_bp": 128, "names": ("CTCF",), "space": "log1p", "overlap": 0}
    with pytest.raises(InputError, match=r"already has a track 'DNase.difference', the name of the difference"):
        Tracks(spec.tracks, tmp_path, **options, differences=True)
    assert Tracks(spec.tracks, tmp_path, **options, differences=False).files(NamedSample("a", "b")).tracks == ("CTCF",)


def test_names_of_copies_must_be_free_and_short(genome, tmp_path, tpm, other_tpm):
    done = genome("--tpm", f"sample+F03-0={other_tpm}", "--set", "F03=0")
    said = "--set F03=0: another sample is already named 'sample+F03-0'; rename the sample with --tpm NAME=FILE"
    assert (done.code, done.err) == (2, f"epigept-batch: {said}\n")
    done = genome("--set", "F03=0", tpm=f"{'x' * 145}={tpm}")
    assert "has 151 bytes, but 150 are allowed; rename the sample with --tpm NAME=FILE, or change fewer" in done.err
    assert not (tmp_path / "out").exists()
    assert genome("--set", "F03=0", "--differences", "--region", "two", tpm=f"{'x' * 144}={tpm}").code == 0


def test_a_sample_with_the_name_of_a_copy_is_not_that_copy(genome, tpm):
    assert genome(tpm=f"sample+F03-0={tpm}").code == 0
    done = genome("--set", "F03=0")
    assert done.code == 2
    assert "sample+F03-0.run.json: existing tracks were made with a different expression" in done.err


def test_run_again_is_up_to_date_and_other_differences_are_refused(genome, tmp_path, monkeypatch):
    assert genome("--set", "F03=40", "--differences").code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", pytest.fail)
        done = genome("--set", "F03=40.0", "--differences")
        assert done.code == 0
        assert done.err.startswith("epigept-batch: sample and sample+F03-40: up to date\n\n")
        assert genome().code == 0
    done = genome("--set", "F03=40")
    assert "sample+F03-40.run.json: existing tracks were made with a different set of tracks; choose" in done.err
    assert genome("--set", "F03=40", "--force").code == 0
    assert names(tmp_path / "out") == {
        name for sample in ("sample", "sample+F03-40") for name in of_copy(sample, with_differences=False)
    }
    done = genome("--set", "F03=40", "--differences")
    assert (done.code, "different set of tracks" in done.err) == (2, True)


def test_a_copy_that_comes_later_has_the_difference_of_its_sample(genome, other_tpm, tmp_path):
    """The samples are up to date by then. Only the one of the new copy is predicted again."""
    assert genome("--tpm", other_tpm, "--set", "F03=40", "--differences").code == 0
    (tmp_path / "out/sample+F03-40.CTCF.difference.bw").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    done = genome("--tpm", other_tpm, "--set", "F03=40", "--differences")
    assert done.code == 0, done.err
    again = "up to date, but predicted again, because differences are taken of values of the same run"
    assert f"epigept-batch: sample: {again}\n" in done.err
    assert "epigept-batch: other and other+F03-40: up to date\n" in done.err
    unchanged = {path.name for path, time in before.items() if path.exists() and path.stat().st_mtime_ns == time}
    assert {name for name in names(tmp_path / "out") if name.startswith("other")} == unchanged
    found = tracks(tmp_path / "out", "sample+F03-40") - tracks(tmp_path / "out", "sample")
    np.testing.assert_array_equal(differences(tmp_path / "out", "sample+F03-40"), found)


def test_without_differences_only_a_copy_that_comes_later_is_predicted(genome, tmp_path, monkeypatch):
    assert genome().code == 0
    real, samples = Session.run, set()

    def run(self, inputs):
        samples.add(inputs.shape[1])
        return real(self, inputs)

    monkeypatch.setattr(Session, "run", run)
    done = genome("--set", "F03=40")
    assert (done.code, samples) == (0, {1})
    assert "epigept-batch: sample: up to date\n" in done.err
    assert of_copy("sample+F03-40", with_differences=False) < names(tmp_path / "out")


@pytest.fixture
def whole(genome, tmp_path):
    """What a sample and a copy get undisturbed, by file."""
    assert genome("--set", "F03=40", "--differences", out=tmp_path / "whole", **OPTIONS).code == 0
    return contents(tmp_path / "whole")


OPTIONS = {"overlap": 1280, "batch-size": 1}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.bw")}


@pytest.mark.parametrize("stop", [3, 10])
def test_stopped_while_it_predicts_it_becomes_the_same(genome, whole, tmp_path, monkeypatch, stop):
    real, calls = Session.run, []

    def run(self, inputs):
        if len(calls) == stop:
            raise KeyboardInterrupt
        calls.append(1)
        return real(self, inputs)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", run)
        assert genome("--set", "F03=40", "--differences", **OPTIONS).code == 130
    done = genome("--set", "F03=40", **OPTIONS)
    assert ".sample+F03-40.journal: belongs to an interrupted run with a different set of tracks" in done.err
    done = genome("--set", "F03=40", "--differences", **OPTIONS)
    assert done.code == 0, done.err
    assert "windows are already finished" in done.err
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("files", [0, 3, 8, 9, 10])
def test_stopped_while_files_get_their_names_it_becomes_the_same(genome, whole, tmp_path, monkeypatch, files):
    """Three bigWigs of the sample, six of the copy, then a record of each are to be named."""
    calls = []

    def counted(real):
        def publish(*arguments):
            if len(calls) == files:
                raise KeyboardInterrupt
            calls.append(1)
            real(*arguments)

        return publish

    with monkeypatch.context() as patch:
        patch.setattr(writers, "publish", counted(writers.publish))
        patch.setattr(pipeline, "write_record", counted(pipeline.write_record))
        assert genome("--set", "F03=40", "--differences", **OPTIONS).code == 130
    assert (tmp_path / "out/sample.run.json").exists() == (files == 10)
    (tmp_path / "out/.sample+F03-40.DNase.difference.bw.abcdefgh.part").touch()
    monkeypatch.setattr(Session, "run", pytest.fail)  # every window is in both journals
    done = genome("--set", "F03=40", "--differences", **OPTIONS)
    assert done.code == 0, done.err
    assert contents(tmp_path / "out") == whole
    assert names(tmp_path / "out") == {*whole, "sample.run.json", "sample+F03-40.run.json"}


def test_contacts_of_a_copy_are_those_of_the_perturbed_vector(contacts, normalised_table, tmp_path):
    cooler = pytest.importorskip("cooler")
    done = contacts("--raw", "--with-tracks", "--set", "F03=40", chromosome="one")
    assert done.code == 0, done.err
    fed = contacts("--raw", "--with-tracks", "--normalised", tpm=normalised_table("fed", F03=40), chromosome="one")
    assert fed.code == 0, fed.err

    def pixels(sample):
        return cooler.Cooler(str(tmp_path / f"out/{sample}.contacts.cool")).pixels()[:]["count"].to_numpy()

    np.testing.assert_allclose(pixels("sample+F03-40"), pixels("fed"), rtol=1e-4)
    assert np.abs(pixels("sample+F03-40") - pixels("sample")).max() > 1e-5
    np.testing.assert_allclose(
        tracks(tmp_path / "out", "sample+F03-40"), tracks(tmp_path / "out", "fed"), rtol=1e-5, equal_nan=True
    )
    for kind in ("run", "contacts"):
        assert record(tmp_path / "out", "sample+F03-40", kind)["perturbation"]["of"] == "sample"
        assert "perturbation" not in record(tmp_path / "out", "sample", kind)
    assert (
        "epigept-batch: sample and sample+F03-40: up to date\n"
        in contacts("--raw", "--with-tracks", "--set", "F03=40", chromosome="one").err
    )


def test_evaluate_compares_copies_but_no_differences(genome, tmp_path):
    assert genome("--set", "F03=40", "--differences").code == 0
    out = tmp_path / "out"
    evaluate = runner_of("evaluate", {"predicted": out, "measured": f"{out}/{{sample}}.{{track}}.bw"})
    done = evaluate("--measured-space", "log1p", "--json")
    assert done.code == 0, done.err
    rows = {(row["sample"], row["track"]) for row in json.loads(done.out)}
    assert rows == {(sample, track) for sample in ("sample", "sample+F03-40") for track in TRACKS}
    done = evaluate(predicted=out / "sample+F03-40.CTCF.difference.bw", measured=out / "sample.CTCF.bw")
    assert done.code == 2
    assert done.err.endswith(
        "sample+F03-40.CTCF.difference.bw: is a difference of two predictions; use sample+F03-40.CTCF.bw\n"
    )
