"""The Python API, against the command and against a run by two processes."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pyBigWig
import pytest

import epigept_batch as eb
from bigwigs import bins
from epigept_batch.sequence.genome import Genome
from epigept_batch.spec import METADATA_KEY
from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter
from held import new_workers, open_links
from tolerances import SAME
from vcfs import write_vcf

REGION = "one:2,001-16,000"


@pytest.fixture
def model(small_model):
    return eb.load_model(small_model, device="cpu", threads=1)


@pytest.fixture
def expression(tpm, small_model):
    return eb.read_expression(tpm, small_model)


def test_a_region_by_the_api_and_by_genome(model, expression, genome, fasta, tmp_path):
    assert genome("--region", REGION).code == 0
    expected = np.stack(
        [bins(tmp_path / f"out/sample.{track}.bw", "one", bin_bp=128) for track in model.tracks], axis=1
    )

    prediction = model.predict(expression, REGION, fasta=fasta)
    assert prediction.values.shape == (1, len(prediction.bins), 3)
    by_api = np.full_like(expected, np.nan)
    by_api[prediction.bins.start // 128] = prediction.values[0]
    np.testing.assert_allclose(by_api, expected, rtol=SAME)


def test_a_model_says_what_genome_would_say_of_it(small_model, genome, tmp_path):
    model = onnx.load(small_model)
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    assert '"contiguous":true' in entry.value
    entry.value = entry.value.replace('"contiguous":true', '"contiguous":false')
    onnx.save(model, tmp_path / "joined.onnx")
    (note,) = eb.load_model(tmp_path / "joined.onnx", device="cpu").notes
    assert note.endswith("on contiguous sequence, as here, it extrapolates")
    assert f"epigept-batch: {note}\n" in genome(model=tmp_path / "joined.onnx").err
    assert eb.load_model(small_model, device="cpu").notes == ()


@pytest.mark.parametrize("way", ["predict", "scan"])
def test_a_genome_that_is_replaced_on_the_way_is_said(model, expression, fasta, monkeypatch, way):
    real = Genome.tokens

    def replacing(self, *what):
        found = real(self, *what)
        fasta.with_name("new").write_bytes(fasta.read_bytes())
        fasta.with_name("new").replace(fasta)
        return found

    monkeypatch.setattr(Genome, "tokens", replacing)
    ways = {
        "predict": lambda: model.predict(expression, "two", fasta=fasta),
        "scan": lambda: model.scan("two", fasta=fasta),
    }
    with pytest.raises(eb.InputError, match="file was replaced during the run"):
        ways[way]()


def test_tables_regions_and_tracks_are_chosen(model, tpm, fasta, tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text(tpm.read_text().replace("F03\t", "F03\t9"))
    found = model.predict([tpm, other], ["two", "one:1-256"], fasta=fasta, tracks=["ctcf"], space="linear")
    assert (found.samples, found.tracks, found.space) == (("sample", "other"), ("CTCF",), "linear")
    assert found.bins.contig.tolist() == ["one"] * 2 + ["two"] * 6
    assert found.bins.start.tolist() == [0, 128, 0, 128, 256, 384, 512, 640]
    assert found.bins.end.tolist() == [128, 256, 128, 256, 384, 512, 640, 700]
    log = model.predict([tpm, other], ["two", "one:1-256"], fasta=fasta)
    np.testing.assert_allclose(found.values[..., 0], np.expm1(log.values[..., 1]), rtol=1e-6)
    assert (log.values[0] != log.values[1]).any()


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_frame_has_a_row_per_sample_and_bin(model, tpm, fasta, kind):
    found = model.predict(tpm, "two", fasta=fasta)
    frame = found.to_frame(kind)
    assert list(frame.columns) == ["sample", "contig", "start", "end", *model.tracks]
    assert list(frame["end"])[-1] == 700
    np.testing.assert_array_equal(frame["CTCF"].to_numpy(), found.values[0, :, 1])
    with pytest.raises(eb.InputError, match="unknown kind of table 'arrow'; use 'polars' or 'pandas'"):
        found.to_frame("arrow")


def test_bigwigs_are_those_of_genome(model, tpm, fasta, genome, tmp_path):
    genome()
    paths = model.predict(tpm, ["one", "two", "three"], fasta=fasta).to_bigwig(tmp_path / "api")
    assert [path.name for path in paths] == [f"sample.{track}.bw" for track in model.tracks]
    for path in paths:
        with pyBigWig.open(str(path)) as mine, pyBigWig.open(str(tmp_path / "out" / path.name)) as theirs:
            assert mine.chroms() == theirs.chroms()
            for contig in theirs.chroms():
                ours, expected = mine.intervals(contig), theirs.intervals(contig)
                assert [i[:2] for i in ours or ()] == [i[:2] for i in expected or ()]
                np.testing.assert_allclose([i[2] for i in ours or ()], [i[2] for i in expected or ()], rtol=SAME)


def test_bigwigs_do_not_go_beside_a_record_of_other_tracks(model, tpm, fasta, genome, tmp_path):
    genome()
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(
        eb.OutputError, match="describes tracks that genome wrote to this folder; choose another folder"
    ):
        model.predict(tpm, "two", fasta=fasta).to_bigwig(tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_all_bigwigs_get_their_names_or_none(model, tpm, fasta, tmp_path, monkeypatch):
    found = model.predict(tpm, "two", fasta=fasta)
    closed, close = [], BigWigWriter.close

    def fail_at_last(self):
        closed.append(self)
        if len(closed) == len(model.tracks):
            raise eb.OutputError("is full", self.path)
        close(self)

    monkeypatch.setattr(BigWigWriter, "close", fail_at_last)
    with pytest.raises(eb.OutputError, match="is full"):
        found.to_bigwig(tmp_path / "api")
    assert not list((tmp_path / "api").iterdir())


def test_bins_know_where_they_stand():
    one, two, three = (Contig(name, 128 * 100) for name in ("one", "two", "three"))
    bins = eb.Bins((one, two, three), {"one": ((3, 5), (9, 10)), "three": ((0, 2),)}, 128)
    assert len(bins) == 5
    places = [bins.place(contig, bin_) for contig, bin_ in ((one, 3), (one, 4), (one, 9), (three, 0), (three, 1))]
    assert places == [0, 1, 2, 3, 4]
    for contig, bin_ in ((one, 2), (one, 5), (one, 10), (two, 0), (three, 2)):
        with pytest.raises(KeyError):
            bins.place(contig, bin_)


def test_motif_scores_are_those_that_the_network_reads(model, fasta, synthetic):
    found = model.scan("one", fasta=fasta)
    expected = np.load(synthetic / "scores.homer-200.npy")[: len(found.bins)]
    np.testing.assert_array_equal(found.values, expected.T.astype(np.float16))
    assert found.to_frame().columns[:4] == ["contig", "start", "end", model.factors[0]]


def test_kept_scores_give_the_same_and_must_fit(model, tpm, fasta, scan, tmp_path):
    scan()
    scanned, kept = (model.predict(tpm, "one", fasta=fasta, scores=s).values for s in (None, tmp_path / "scores"))
    np.testing.assert_allclose(kept, scanned, rtol=SAME)
    text = fasta.read_text()
    fasta.write_text(text.replace("ACG", "ACC", 1))
    with pytest.raises(eb.InputError, match="use the store of this genome"):
        model.predict(tpm, "one", fasta=fasta, scores=tmp_path / "scores")


def test_a_genome_that_the_network_is_not_for_is_refused_unless_it_is_meant(model, expression, fasta):
    head, *lines = fasta.read_text().splitlines()
    fasta.write_text("\n".join([head, *(line if line[0] == ">" else line.replace("T", "U") for line in lines), ""]))
    with pytest.raises(eb.InputError, match="RNA"):
        model.predict(expression, "one", fasta=fasta)
    found = model.predict(expression, "one", fasta=fasta, any_genome=True)
    assert any("RNA" in note for note in found.notes)
    assert np.isfinite(found.values).any()


def test_sequence_without_a_base_is_refused(model, expression, tmp_path):
    path = tmp_path / "n.fa"
    path.write_text(f">n\n{'N' * 4000}\n")
    with pytest.raises(eb.InputError, match="the selected regions contain only N"):
        model.predict(expression, "n", fasta=path)


def test_nothing_stays_open(model, expression, fasta):
    threads = threading.enumerate()
    model.predict(expression, "two", fasta=fasta)
    model.scan("two", fasta=fasta)
    assert not new_workers(threads)
    assert not open_links(fasta)


def test_vectors_of_other_factors_or_shapes_are_refused(model, fasta):
    with pytest.raises(eb.InputError, match="the factors of the expression are not those of the model"):
        model.predict(eb.Expression(("a",), ("X",), np.zeros((1, 1), np.float32)), "one", fasta=fasta)
    with pytest.raises(eb.InputError, match="does not match 2 samples and 15 factors"):
        eb.Expression(("a", "b"), model.factors, np.zeros((1, 15), np.float32))
    with pytest.raises(eb.InputError, match="negative or not numbers"):
        eb.Expression(("a",), model.factors, np.full((1, 15), -1, np.float32))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"regions": "four"}, "the genome has no contig 'four'"),
        ({"regions": []}, "no region; provide at least one"),
        ({"tracks": ["H3"]}, "the model has no track 'H3'"),
        ({"space": "log2"}, "unknown space 'log2'; use log1p or linear"),
        ({"overlap": 7}, "must be a multiple of the bin"),
    ],
)
def test_what_cannot_be_used_is_said(model, expression, fasta, options, said):
    arguments = {"regions": "one", "fasta": fasta} | options
    with pytest.raises(eb.InputError, match=said):
        model.predict(expression, **arguments)


def test_the_names_are_listed_once_and_loaded_when_used():
    script = (
        "import sys, epigept_batch as eb; heavy = {'numba', 'onnxruntime', 'polars', 'torch', 'onnx', 'zarr'};"
        "print(len(heavy & set(sys.modules)), sorted(eb.PUBLIC) == sorted(eb.__all__),"
        "all(getattr(eb, name).__name__ == name for name in eb.__all__), set(dir(eb)) == {*eb.__all__, '__version__'})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0 True True True\n"
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        eb.predict  # noqa: B018


def test_every_public_name_is_documented():
    page = (Path(__file__).parents[2] / "docs/how-to/python.md").read_text()
    assert not [name for name in eb.PUBLIC if not re.search(rf"\b{name}\b", page)]


def test_the_program_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "epigept_batch", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"epigept-batch, version {eb.__version__}\n"


def test_copies_and_their_differences_are_those_of_genome(model, tpm, other_tpm, genome, fasta, tmp_path):
    done = genome("--tpm", other_tpm, "--set", "F03=40,F01*2", "--set", "F02=absent", "--differences")
    assert done.code == 0, done.err
    expression = model.read([tpm, other_tpm]).with_set("F03=40,F01*2", "F02=absent")
    copies = [f"{sample}+{copy}" for sample in ("sample", "other") for copy in ("F03-40+F01x2", "F02-absent")]
    assert expression.samples == ("sample", "other", *copies)
    assert expression.copies == {copy: copy.split("+")[0] for copy in copies}
    for name, notes in zip(copies, expression.notes[2:], strict=True):
        assert all(f"epigept-batch: {name}: {note}\n" in done.err for note in notes)
    assert [len(notes) for notes in expression.notes[2:]] == [2, 1, 2, 1]
    found = model.predict(expression, ["one", "two", "three"], fasta=fasta)
    paths = [*found.to_bigwig(tmp_path / "api"), *found.differences().to_bigwig(tmp_path / "api")]
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "out").glob("*.bw")}
    for path in paths:
        for contig in ("one", "two", "three"):
            theirs = bins(tmp_path / "out" / path.name, contig, bin_bp=128)
            np.testing.assert_allclose(bins(path, contig, bin_bp=128), theirs, rtol=SAME, atol=1e-6)


def test_differences_are_of_each_copys_own_sample_in_either_space(model, tpm, other_tpm, fasta):
    expression = model.read([tpm, other_tpm]).with_set("F03=40").with_set("F02*3")
    assert expression.samples[2:] == ("sample+F03-40", "other+F03-40", "sample+F02x3", "other+F02x3")
    together = model.read([tpm, other_tpm]).with_set("F03=40", "F02*3")
    np.testing.assert_array_equal(expression.values, together.values[[0, 1, 2, 4, 3, 5]])
    for space in ("log1p", "linear"):
        found = model.predict(expression, "one:1-9000", fasta=fasta, tracks=["CTCF"], space=space)
        of = found.differences()
        assert (of.samples, of.tracks, of.space) == (expression.samples[2:], ("CTCF.difference",), space)
        np.testing.assert_array_equal(of.values, found.values[2:] - found.values[[0, 1, 0, 1]])
        assert of.to_frame().columns[-1] == "CTCF.difference"


def test_own_vectors_are_set_on_the_normalised_scale(model):
    values = np.log1p(np.arange(30, dtype=np.float32).reshape(2, 15))
    found = eb.Expression(("a", "b"), model.factors, values).with_set("F03=99,F02*2", "F01=absent")
    np.testing.assert_array_equal(found.values[:2], values)
    expected = values[[0, 0, 1, 1]]
    expected[[0, 2], 3] = np.log1p(99)
    expected[[0, 2], 2] = np.log1p([4, 34])
    expected[[1, 3], 1] = 0
    np.testing.assert_allclose(found.values[2:], expected, rtol=1e-6)
    assert found.notes[0] == ()
    assert found.notes[2][0].startswith("F03 normalised TPM 3 to 99, network input 1.386 to 4.605")


def test_copies_that_cannot_be_made_are_refused(model, expression, fasta):
    with pytest.raises(eb.InputError, match="the model has no factor 'f03'; did you mean F03"):
        expression.with_set("f03=0")
    with pytest.raises(eb.InputError, match=r"another sample is already named 'sample\+F03-0'"):
        expression.with_set("F03=0").with_set("F03=0")
    with pytest.raises(eb.InputError, match=r"no perturbed copy to subtract from; predict the result of"):
        model.predict(expression, "two", fasta=fasta).differences()
    lonely = eb.Expression(("x",), model.factors, expression.values, copies={"x": "y"})
    with pytest.raises(eb.InputError, match="'x' or its sample 'y' is missing; predict both together"):
        model.predict(lonely, "two", fasta=fasta).differences()


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--grid", "--tracks", "CTCF"), {"grid": True, "tracks": ["CTCF"]}),
        (("--average", "strands"), {"average": "strands"}),
        (("--background", "100"), {"background": 100}),
    ],
)
def test_variants_are_those_of_the_command(model, tpm, other_tpm, score, fasta, sequences, tmp_path, words, options):
    at = next(i for i in range(3000, 20_000) if set(sequences["one"][i : i + 3]) <= set("ACGT"))
    ref = sequences["one"][at : at + 3]
    alt = "ACGT"["TGCA".index(ref[0])]
    rows = [("one", at + 1, ref[0], f"{alt},<DEL>"), ("chrone", at + 1, ref, ref[0]), ("one", at + 1, ref[0], ".")]
    table = tmp_path / "variants.tsv"
    table.write_text("chrom\tpos\tref\talt\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    assert score(table, "--tpm", other_tpm, *words).code == 0
    expected = pl.read_csv(tmp_path / "scores.tsv", separator="\t", infer_schema_length=None)
    for variants in (table, rows):
        effects = model.score_variants(variants, [tpm, other_tpm], fasta=fasta, **options)
        found = effects.to_frame()
        assert found.columns == expected.columns
        for name in found.columns:
            if found[name].dtype == pl.Float32:
                np.testing.assert_allclose(
                    found[name].to_numpy(), expected[name].cast(pl.Float32).to_numpy(), rtol=1e-5
                )
            else:
                assert found[name].cast(pl.String).to_list() == expected[name].cast(pl.String).to_list()
        assert effects.status == ("scored", "symbolic", "scored", "no_alternative")
        assert effects.difference.shape == (4, 2, len(effects.tracks))
        assert any("symbolic" in note for note in effects.notes)
    assert len(effects.to_frame("pandas")) == len(found)


def test_haplotypes_are_those_of_genome(model, tpm, genome, fasta, sequences, tmp_path):
    at = next(i for i in range(3000, 20_000) if set(sequences["one"][i : i + 3]) <= set("ACGT"))
    ref = sequences["one"][at : at + 3]
    vcf = write_vcf(tmp_path / "person.vcf", [("one", at, ref, ref[0], "0|1")])
    assert genome("--set", "F01=0", vcf=vcf, region=REGION).code == 0
    expression = model.read(tpm).with_set("F01=0")
    prediction = model.predict(expression, REGION, fasta=fasta, vcf=vcf)
    assert prediction.samples == ("sample.h1", "sample.h2", "sample+F01-0.h1", "sample+F01-0.h2")
    first, last = prediction.bins.spans["one"][0]
    for number, name in enumerate(prediction.samples):
        expected = bins(tmp_path / f"out/{name}.CTCF.bw", "one", bin_bp=128)[first:last]
        track = prediction.tracks.index("CTCF")
        np.testing.assert_allclose(prediction.values[number, :, track], expected, rtol=SAME, equal_nan=True)
    assert not np.array_equal(prediction.values[0], prediction.values[1], equal_nan=True)
    differences = prediction.differences()
    assert differences.samples == ("sample+F01-0.h1", "sample+F01-0.h2")
    np.testing.assert_array_equal(differences.values[1], prediction.values[3] - prediction.values[1])


def test_a_difference_of_a_haplotype_is_from_the_same_haplotype(genome, sequences, tmp_path):
    at = next(i for i in range(3000, 20_000) if set(sequences["one"][i : i + 3]) <= set("ACGT"))
    ref = sequences["one"][at]
    vcf = write_vcf(tmp_path / "person.vcf", [("one", at, ref, "ACGT"["TGCA".index(ref)], "0|1")])
    assert genome("--set", "F01=0", "--differences", vcf=vcf, chromosome="one").code == 0
    for end in ("h1", "h2"):
        one, two, difference = (
            bins(tmp_path / "out" / name, "one", bin_bp=128)
            for name in (
                f"sample.{end}.CTCF.bw",
                f"sample+F01-0.{end}.CTCF.bw",
                f"sample+F01-0.{end}.CTCF.difference.bw",
            )
        )
        np.testing.assert_allclose(difference, two - one, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"average": "strand"}, "'strand' is unknown"),
        ({"average": "strands", "grid": True}, "omit average"),
        ({"features": "x.bed"}, "set background"),
        ({"tracks": ["ATAC"]}, "ATAC"),
    ],
)
def test_variants_that_cannot_be_scored_so_are_refused(model, expression, fasta, options, said):
    with pytest.raises(eb.InputError, match=said):
        model.score_variants([("one", 5000, "A", "C")], expression, fasta=fasta, **options)


def test_a_screen_of_copies_is_refused(model, expression, fasta):
    with pytest.raises(eb.InputError, match="not of copies"):
        model.screen(expression.with_set("F01=0"), REGION, fasta=fasta)


def test_a_bar_counts_windows_chunks_and_parts(small_model, tpm, fasta, capfd):
    shown = eb.load_model(small_model, device="cpu", threads=1, progress=True)
    silent = eb.load_model(small_model, device="cpu", threads=1)
    expression = shown.read(tpm)
    predictions = [model.predict(expression, REGION, fasta=fasta).values for model in (silent, shown)]
    np.testing.assert_array_equal(*predictions)
    windows = len(range(2_000 // 2560, -(-16_000 // 2560)))
    assert f"{windows}/{windows}" in capfd.readouterr().err
    shown.screen(expression, REGION, fasta=fasta, factors=["F03"])
    assert f"{2 * windows}/{2 * windows}" in capfd.readouterr().err
    either = [("one", 5_000, ref, "A" if ref != "A" else "C") for ref in "ACGT"]
    shown.score_variants(either, expression, fasta=fasta, allow_ref_mismatch=True)
    assert "1/1" in capfd.readouterr().err
    silent.predict(expression, REGION, fasta=fasta)
    assert capfd.readouterr().err == ""
