"""What an output folder has: samples, tracks, contacts; and the folders that are refused."""

import json
import shutil

import numpy as np
import pytest

import bigwigs
from conftest import runner_of
from epigept_batch.errors import InputError
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.scales import common_scales, rounded_up
from epigept_batch.tiling import Contig
from epigept_batch.tracks.signal import SignalTrack
from run_folders import write_fasta, write_run, write_sample

TRACKS = ("DNase", "CTCF", "H3K27ac")


@pytest.fixture(scope="module")
def made(small_model, synthetic, tmp_path_factory):
    """A folder with two samples, one with a copy and its differences; only read by tests."""
    base = tmp_path_factory.mktemp("made")
    shutil.copy(synthetic / "synthetic.fa", base)
    values = np.random.default_rng(6).gamma(0.5, 20, 15)
    for name in "ab":
        (base / f"{name}.tsv").write_text("gene_id\tTPM\n" + "".join(f"F{n:02d}\t{v}\n" for n, v in enumerate(values)))
    given = {"fasta": base / "synthetic.fa", "model": small_model, "out": base / "out", "device": "cpu"}
    run = runner_of("genome", given)
    assert run("--set", "F03=0", "--differences", tpm=base / "b.tsv").code == 0
    assert run(tpm=base / "a.tsv", tracks="DNase,CTCF").code == 0
    return base


@pytest.fixture
def out(made, tmp_path):
    """A copy of the folder."""
    return shutil.copytree(made / "out", tmp_path / "out")


def refusal(folder, samples=()):
    with pytest.raises(InputError) as raised:
        read_run_folder(folder, samples)
    return str(raised.value)


def change(path, **keys):
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_samples_tracks_and_genome(out, made):
    folder = read_run_folder(out)
    assert [sample.name for sample in folder.samples] == ["a", "b", "b+F03-0"]
    assert [track.label for track in folder.sample("a").tracks] == ["DNase", "CTCF"]
    assert [track.label for track in folder.sample("b").tracks] == list(TRACKS)
    copy = folder.sample("b+F03-0")
    assert [track.label for track in copy.tracks] == [*TRACKS, *(f"{name}.difference" for name in TRACKS)]
    assert [track.is_difference for track in copy.tracks] == [False] * 3 + [True] * 3
    assert copy.tracks[-1].path == out / "b+F03-0.H3K27ac.difference.bw"
    assert folder.tracks == TRACKS
    assert folder.contigs == (Contig("one", 20_000), Contig("two", 700), Contig("three", 90))
    assert (folder.space, folder.assembly, folder.unfinished) == ("log1p", None, ())
    assert folder.fasta == (made / "synthetic.fa").resolve()
    assert folder.regions == ("one:1-20000", "two:1-700", "three:1-90")


def test_the_order_of_the_model_is_that_of_the_sample_with_most_tracks(tmp_path):
    folder = write_run(tmp_path / "out", samples=("b",))
    write_sample(folder, "a", tmp_path / "genome.fa", write_fasta(tmp_path / "genome.fa"), marks=("CTCF",))
    assert read_run_folder(folder).tracks == ("DNase", "CTCF")


def test_a_track_that_ends_like_a_difference_is_none_without_a_copy(tmp_path):
    folder = write_run(tmp_path / "out", samples=("a",), marks=("X.difference", "DNase"))
    first, _ = read_run_folder(folder).samples[0].tracks
    assert (first.name, first.label, first.is_difference) == ("X.difference", "X.difference", False)


def test_chosen_samples_in_their_order(out):
    assert [sample.name for sample in read_run_folder(out, ["b", "a", "b"]).samples] == ["b", "a"]
    assert "no finished sample 'c'; it has a, b, b+F03-0" in refusal(out, ["c"])


def test_statistics_are_those_of_the_files(out):
    for track in read_run_folder(out).all_tracks():
        file = SignalTrack(track.path)
        every = np.concatenate([bigwigs.bins(track.path, contig.name, bin_bp=128) for contig in file.contigs])
        assert file.extremes() == (np.nanmin(every), np.nanmax(every))
        file.close()
        assert track.statistics["bins"] == np.isfinite(every).sum()
        assert track.statistics["mean"] == pytest.approx(np.nanmean(every, dtype=np.float64), rel=1e-9)
        assert track.statistics["min"] == np.nanmin(every)
        low, high = np.nanquantile(every, [0.97, 1])
        assert low <= track.statistics["quantiles"]["0.99"] <= high


def test_one_scale_per_track(out):
    folder = read_run_folder(out)
    scales = common_scales(folder)
    assert list(scales) == [*TRACKS, *(f"{name}.difference" for name in TRACKS)]
    for label, (low, high) in scales.items():
        values = [
            np.concatenate([bigwigs.bins(track.path, contig.name, bin_bp=128) for contig in folder.contigs])
            for track in folder.all_tracks()
            if track.label == label
        ]
        top = max(np.nanmax(np.abs(one)) for one in values)
        assert low == (-high if label.endswith("difference") else 0)
        assert 0.7 * top < high < 1.2 * top


def test_without_statistics_the_scale_ends_at_the_maximum(out):
    change(out / "a.run.json", statistics=None)
    folder = read_run_folder(out, ["a"])
    track = folder.samples[0].tracks[0]
    assert track.statistics is None
    assert common_scales(folder)["DNase"][1] == rounded_up(np.nanmax(bigwigs.bins(track.path, "one", bin_bp=128)))


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (0, 1),
        (0.031, 0.031),
        (2.3, 2.3),
        (2.31, 2.4),
        (9.91, 10),
        (99.1, 100),
        (123, 130),
        (3.0000000001, 3),
        (1e-5, 1e-5),
    ],
)
def test_scales_end_at_two_digits(value, rounded):
    assert rounded_up(value) == rounded


def test_contacts(contacts, tpm, tmp_path):
    assert contacts("--tpm", f"s={tpm}", tpm=None).code == 0
    folder = read_run_folder(tmp_path / "out")
    (sample,) = folder.samples
    assert (sample.name, sample.tracks, sample.record) == ("s", (), {})
    for path in (sample.contacts.cool, sample.contacts.interact, sample.contacts.bedpe):
        assert path.is_file()
    assert sample.any_record["map_bin_bp"] == 256
    assert folder.contigs == ()
    assert folder.regions[0] == "one:1-20000"


def write_maps(folder, sample, **genome):
    """Files of contacts that are not read, and their record."""
    paths = [folder / f"{sample}.contacts.{ending}" for ending in ("cool", "interact", "bedpe")]
    for path in paths:
        path.write_text("x")
    files = {path.name: 1 for path in paths}
    (folder / f"{sample}.contacts.json").write_text(
        json.dumps({"sample": sample, "inputs": {"genome": genome}, "files": files})
    )


def test_contacts_are_checked_like_tracks(tmp_path):
    folder = write_run(tmp_path / "out", samples=("a",))
    write_maps(folder, "a")
    assert read_run_folder(folder).samples[0].contacts.bedpe == folder / "a.contacts.bedpe"
    (folder / "a.contacts.cool").write_text("longer")
    assert "a.contacts.cool: has 6 bytes instead of 1" in refusal(folder)
    write_maps(folder, "a", one="0" * 32)
    assert "a and a were predicted on different genomes, since one differs" in refusal(folder)


def test_folders_without_results(tmp_path):
    assert "folder not found" in refusal(tmp_path / "none")
    assert "contains no run.json" in refusal(tmp_path)
    (tmp_path / ".liver.journal").touch()
    (tmp_path / ".lung.contacts.journal").touch()
    assert "the run of liver, lung was interrupted, so rerun it" in refusal(tmp_path)


def test_unfinished_samples_are_named(out):
    (out / ".c.journal").touch()
    (out / ".a.journal").touch()  # of a run that replaces it
    assert read_run_folder(out).unfinished == ("c",)


def test_missing_and_changed_files(out):
    path = out / "a.DNase.bw"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert f"has {len(content) - 1:,} bytes instead of {len(content):,}" in refusal(out)
    path.unlink()
    assert "listed in the record of a, but not found" in refusal(out)
    assert [sample.name for sample in read_run_folder(out, ["b"]).samples] == ["b"]


def test_samples_of_several_genomes(out):
    record = json.loads((out / "a.run.json").read_text())
    change(out / "a.run.json", inputs={**record["inputs"], "genome": {**record["inputs"]["genome"], "one": "0" * 32}})
    assert "a and b were predicted on different genomes, since one differs" in refusal(out)


def test_samples_with_different_contigs(out, genome, tpm, tmp_path):
    other = tmp_path / "other.fa"
    other.write_text(">other\n" + "ACGT" * 1000 + "\n")
    assert genome("--tpm", f"d={tpm}", tpm=None, fasta=other, out=tmp_path / "second").code == 0
    for path in (tmp_path / "second").glob("d.*"):
        shutil.copy(path, out)
    assert "genomes with different contigs: a, b, b+F03-0, d" in refusal(out)


def test_samples_in_several_spaces(out, genome, tpm):
    assert genome("--tpm", f"z={tpm}", tpm=None, space="linear").code == 0
    assert "a holds ln(1 + signal), but z the signal" in refusal(out)
    assert read_run_folder(out, ["z"]).space == "linear"


def test_other_files_are_ignored(out):
    (out / "screen.run.json").write_text('{"inputs": {}, "files": {}}')
    (out / "x.run.json").write_text("{")
    (out / "y.contacts.json").write_text("[]")
    assert len(read_run_folder(out).samples) == 3


def test_a_difference_has_its_own_statistics(tmp_path):
    perturbation = {"of": "x", "set": "GATA1=0", "changes": []}
    folder = write_run(tmp_path / "out", samples=("a",), marks=("DNase", "DNase.difference"), perturbation=perturbation)
    signal, difference = read_run_folder(folder).samples[0].tracks
    assert (signal.statistics["min"] >= 0, difference.statistics["min"] < 0) == (True, True)


def test_the_assembly_is_that_of_any_sample(tmp_path):
    folder = write_run(tmp_path / "out")
    assert read_run_folder(folder).assembly is None
    change(folder / "a.run.json", genome=None)
    change(folder / "b.run.json", genome={"assembly": "hg38"})
    assert read_run_folder(folder).assembly == "hg38"


def test_a_record_without_a_space_has_logarithms(tmp_path):
    folder = write_run(tmp_path / "out", samples=("a",))
    record = json.loads((folder / "a.run.json").read_text())
    del record["space"]
    (folder / "a.run.json").write_text(json.dumps(record))
    assert read_run_folder(folder).space == "log1p"
