"""`epigept-batch contacts` on small inputs, against BERT's attention fed HOMER's scores, and maps made of dicts."""

import json

import cooler
import hictkpy
import numpy as np
import pandas as pd
import pytest

import reference
from epigept_batch.commands.run.journal import Journal
from epigept_batch.inference.session import Session
from small import SMALL, with_what_bert_has_besides
from tolerances import SAME

CONTIGS = {"one": 20_000, "two": 700, "three": 90}
BIN, BLOCKS, STEP = 256, 10, 5
"""The map's bins in bp; those of a window, of which neighbours share half."""
ENDINGS = ("contacts.cool", "contacts.bedpe", "contacts.interact", "contacts.json", "expected.tsv")


def pixels(path, contig="one"):
    """The pixels of a contig by pair of bins, as cooler reads them."""
    table = cooler.Cooler(str(path)).matrix(balance=False, as_pixels=True).fetch(contig)
    first = cooler.Cooler(str(path)).offset(contig)
    return {(i - first, j - first): value for i, j, value in table[["bin1_id", "bin2_id", "count"]].to_numpy()}


def assert_same(found, expected, rtol=1e-4):
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[pair] for pair in expected], list(expected.values()), rtol=rtol)


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def maps(sequences, network_inputs, small_state):
    """Function that returns a contig's pairs by the naive way, for layers and a bin size."""
    bert = reference.PublishedNetwork(SMALL, with_what_bert_has_besides(small_state))

    def attention(contig, start):
        return bert.attention(*network_inputs(contig, start))

    def whole(contig="one", layers=(0, 1), bin_bp=BIN, step_bp=1280):
        length = CONTIGS[contig]
        bases = [sequences[contig][b : b + bin_bp] for b in range(0, length, bin_bp)]
        usable = {number for number, part in enumerate(bases) if set(part) & set("ACGT")}
        windows = [
            (start // bin_bp, reference.contacts(attention(contig, start), layers, bin_bp // 128))
            for start in range(0, length, step_bp)
            if set(sequences[contig][start : start + 2560]) & set("ACGT")
        ]
        return reference.contact_map(windows, usable)

    return whole


def over_expected(by_contig):
    """Divide every pair by the mean of all at its distance, over all contigs."""
    every = {(contig, i, j): value for contig, pairs in by_contig.items() for (i, j), value in pairs.items()}
    by_distance = {}
    for (_, i, j), value in every.items():
        by_distance.setdefault(j - i, []).append(value)
    mean = {distance: np.mean(values) for distance, values in by_distance.items()}
    return {c: {(i, j): v / mean[j - i] for (i, j), v in pairs.items()} for c, pairs in by_contig.items()}, mean


def test_the_raw_map_is_the_mean_attention_of_all_windows_that_see_a_pair(contacts, maps, tmp_path):
    done = contacts("--raw")
    assert done.code == 0, done.err
    for contig in CONTIGS:
        assert_same(pixels(tmp_path / "out/sample.contacts.cool", contig), maps(contig))


def test_by_default_it_is_observed_over_expected_by_distance(contacts, maps, tmp_path):
    assert contacts().code == 0
    ratios, mean = over_expected({contig: maps(contig) for contig in CONTIGS})
    for contig in CONTIGS:
        assert_same(pixels(tmp_path / "out/sample.contacts.cool", contig), ratios[contig])
    table = pd.read_csv(tmp_path / "out/sample.expected.tsv", sep="\t", comment="#")
    assert table["distance_bp"].tolist() == [BIN * distance for distance in range(BLOCKS)]
    np.testing.assert_allclose(table["expected"], [mean[distance] for distance in range(BLOCKS)], rtol=1e-5)
    np.testing.assert_array_equal(table["mean"], table["expected"])
    for distance in range(BLOCKS):
        number = sum(j - i == distance for pairs in ratios.values() for i, j in pairs)
        assert table["pixels"][distance] == number


def test_another_output_whose_windows_lie_on_its_own_grid(contacts, maps, tmp_path):
    """Half of a window is not a multiple of these bins, so neighbours share a little more."""
    done = contacts("--raw", map="contacts_last_512")
    assert done.code == 0, done.err
    found = pixels(tmp_path / "out/sample.contacts.cool")
    assert_same(found, maps(layers=(1,), bin_bp=512, step_bp=1024))
    record = json.loads((tmp_path / "out/sample.contacts.json").read_text())
    assert (record["map"], record["layers"], record["map_bin_bp"]) == ("contacts_last_512", [1], 512)
    assert record["inputs"]["overlap"] == 1536


def test_bins_wholly_n_are_absent_and_all_contigs_are_in_the_file(contacts, sequences, tmp_path):
    assert contacts(chromosome="one").code == 0
    file = cooler.Cooler(str(tmp_path / "out/sample.contacts.cool"))
    assert dict(file.chromsizes) == CONTIGS
    assert list(file.chromnames) == list(CONTIGS)
    assert file.bins()[:]["end"].iloc[-1] == 90
    absent = {b for b in range(79) if not set(sequences["one"][b * BIN : (b + 1) * BIN]) & set("ACGT")}
    assert absent
    found = pixels(tmp_path / "out/sample.contacts.cool")
    assert {b for pair in found for b in pair} == set(range(79)) - absent
    assert pixels(tmp_path / "out/sample.contacts.cool", "two") == {}


def test_cooler_and_hictk_read_the_same(contacts, tmp_path):
    assert contacts().code == 0
    path = str(tmp_path / "out/sample.contacts.cool")
    mine = cooler.Cooler(path).matrix(balance=False).fetch("one")
    np.testing.assert_array_equal(mine, mine.T)
    theirs = hictkpy.File(path).fetch("one", count_type="float32").to_numpy()
    np.testing.assert_array_equal(np.nan_to_num(mine), theirs)
    about = cooler.Cooler(path).info["metadata"]["epigept-batch"]
    assert (about["sample"], about["values"], about["window_bp"]) == ("sample", "observed/expected", 2560)
    assert "not measured contacts" in about["note"]


def test_a_region_has_the_values_of_the_whole_run(contacts, tmp_path):
    """Raw by itself, and observed over expected with what the whole run expected."""
    for options, name in ((("--raw",), "raw"), ((), "ratio")):
        assert contacts(*options, out=tmp_path / f"whole.{name}").code == 0
    whole = {name: pixels(tmp_path / f"whole.{name}/sample.contacts.cool") for name in ("raw", "ratio")}
    region = {"region": "one:5,000-9,000"}
    selected = range(4999 // BIN, -(-9000 // BIN))
    assert contacts("--raw", out=tmp_path / "raw", **region).code == 0
    expected = {"expected": tmp_path / "whole.ratio/sample.expected.tsv"}
    assert contacts(out=tmp_path / "ratio", **region, **expected).code == 0
    for name, values in whole.items():
        inside = {(i, j): value for (i, j), value in values.items() if i in selected and j in selected}
        assert len(inside) > 50
        assert_same(pixels(tmp_path / f"{name}/sample.contacts.cool"), inside, rtol=SAME)
    theirs, mine = (
        pd.read_csv(tmp_path / f"{name}/sample.expected.tsv", sep="\t", comment="#")
        for name in ("whole.ratio", "ratio")
    )
    np.testing.assert_array_equal(mine["expected"], theirs["expected"])
    assert (mine["pixels"] < theirs["pixels"]).all()
    assert contacts(out=tmp_path / "own", **region).code == 0
    own = pixels(tmp_path / "own/sample.contacts.cool")
    assert max(abs(own[pair] / whole["ratio"][pair] - 1) for pair in own) > 0.01


def test_the_strongest_pairs_are_those_of_the_map(contacts, tmp_path):
    assert contacts(strongest=0.05, out=tmp_path / "out").code == 0
    found, of_two = (pixels(tmp_path / "out/sample.contacts.cool", contig) for contig in ("one", "two"))
    table = pd.read_csv(tmp_path / "out/sample.contacts.bedpe", sep="\t", comment="#", header=None)
    far = {pair: value for pair, value in found.items() if pair[1] - pair[0] >= 2}
    number = round(0.05 * (len(far) + sum(j - i >= 2 for i, j in of_two)))
    assert len(table) == number
    of_one = table[table[0] == "one"]
    listed = {(start1 // BIN, start2 // BIN): ratio for start1, start2, ratio in of_one[[1, 4, 7]].to_numpy()}
    np.testing.assert_allclose(list(listed.values()), [far[pair] for pair in listed], rtol=1e-5)
    assert min(listed.values()) >= max(value for pair, value in far.items() if pair not in listed) * (1 - 1e-5)
    header = (tmp_path / "out/sample.contacts.bedpe").read_text().splitlines()[1]
    assert f"pairs of 256 bp bins at least 512 bp apart: {number:,} pairs, observed/expected of at least" in header
    assert float(header.rpartition(" ")[2]) == pytest.approx(table[7].min(), rel=1e-5)


def test_coarser_levels_average_what_is_there(contacts, tmp_path):
    assert contacts("--mcool").code == 0
    path = tmp_path / "out/sample.contacts.mcool"
    assert [uri.rpartition("/")[2] for uri in cooler.fileops.list_coolers(str(path))] == [
        str(BIN * 2**level) for level in range(8)
    ]
    found = pixels(tmp_path / "out/sample.contacts.cool")
    coarse = {}
    for (i, j), value in found.items():
        coarse.setdefault((i // 2, j // 2), []).append(value)
    assert_same(pixels(f"{path}::/resolutions/512"), {pair: np.mean(values) for pair, values in coarse.items()})
    assert_same(pixels(f"{path}::/resolutions/256"), found, rtol=SAME)


def test_with_tracks_the_bigwigs_are_those_of_genome_with_the_same_overlap(contacts, genome, contacts_model, tmp_path):
    done = contacts("--with-tracks", "--raw")
    assert done.code == 0, done.err
    assert "contacts of" in done.err
    assert "3 tracks of" in done.err
    assert genome(out=tmp_path / "genome", overlap=1280, model=contacts_model).code == 0
    for track in SMALL.tracks:
        name = f"sample.{track}.bw"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "genome" / name).read_bytes()
    assert contacts("--raw", out=tmp_path / "alone").code == 0
    assert_same(pixels(tmp_path / "out/sample.contacts.cool"), pixels(tmp_path / "alone/sample.contacts.cool"), SAME)
    assert names(tmp_path / "out") == {
        *(f"sample.{ending}" for ending in ENDINGS),
        *(f"sample.{track}.bw" for track in SMALL.tracks),
        "sample.run.json",
    }
    again = genome(overlap=1280, model=contacts_model)
    assert (again.code, "up to date" in again.err) == (0, True)
    region = {"region": "one:5,000-9,000"}
    assert contacts("--with-tracks", out=tmp_path / "part", **region).code == 0
    assert genome(out=tmp_path / "part.genome", overlap=1280, model=contacts_model, **region).code == 0
    for track in SMALL.tracks:
        name = f"sample.{track}.bw"
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "part.genome" / name).read_bytes()


def test_samples_have_maps_of_their_own_as_alone(contacts, other_tpm, tmp_path):
    done = contacts("--tpm", other_tpm)
    assert done.code == 0, done.err
    assert names(tmp_path / "out") == {f"{sample}.{ending}" for sample in ("sample", "other") for ending in ENDINGS}
    assert contacts(tpm=other_tpm, out=tmp_path / "alone").code == 0
    mine, alone = (pixels(tmp_path / f"{folder}/other.contacts.cool") for folder in ("out", "alone"))
    assert_same(mine, alone, SAME)
    assert mine != pixels(tmp_path / "out/sample.contacts.cool")


@pytest.mark.parametrize("tracks", [(), ("--with-tracks",)])
def test_stopped_anywhere_it_becomes_the_same(contacts, other_tpm, tmp_path, monkeypatch, tracks):
    options = {"batch-size": 1}
    assert contacts("--tpm", other_tpm, *tracks, out=tmp_path / "whole", **options).code == 0
    expected = {name: pixels(tmp_path / f"whole/{name}.contacts.cool") for name in ("sample", "other")}
    real, computed, limit = Session.run, [], [3]

    def run(self, inputs):
        if len(computed) >= limit[0]:
            raise KeyboardInterrupt
        computed.append(inputs.shape)
        return real(self, inputs)

    monkeypatch.setattr(Session, "run", run)
    for stop in (3, 9):
        limit[0] = stop
        stopped = contacts("--tpm", other_tpm, *tracks, **options)
        assert stopped.code == 130
        assert all(name.endswith("journal") for name in names(tmp_path / "out"))
        limit[0] = 10**6
        computed.clear()
        done = contacts("--tpm", other_tpm, *tracks, **options)
        assert done.code == 0, done.err
        assert "resuming" in done.err
        for name, values in expected.items():
            assert_same(pixels(tmp_path / f"out/{name}.contacts.cool"), values, SAME)
        for path in (tmp_path / "whole").glob("*.bw"):
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
        assert names(tmp_path / "out") == names(tmp_path / "whole")
        for path in (tmp_path / "out").iterdir():
            path.unlink()
        computed.clear()


def test_progress_with_tracks_is_not_taken_by_genome_nor_the_reverse(
    contacts, genome, contacts_model, tmp_path, monkeypatch
):
    """Their windows have other numbers."""
    real, computed = Session.run, []

    def run(self, inputs):
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.append(1)
        return real(self, inputs)

    options = {"batch-size": 1, "region": "one:5,000-20,000"}
    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", run)
        assert contacts("--with-tracks", **options).code == 130
    assert genome(overlap=1280, model=contacts_model, **options).code == 0
    assert genome(out=tmp_path / "alone", overlap=1280, model=contacts_model, **options).code == 0
    for path in (tmp_path / "alone").glob("*.bw"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_an_interrupted_run_with_tracks_resumes_only_with_tracks(contacts, monkeypatch):
    real, computed = Session.run, []

    def run(self, inputs):
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.append(1)
        return real(self, inputs)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", run)
        assert contacts("--with-tracks", **{"batch-size": 1}).code == 130
    refused = contacts()
    assert refused.code == 2
    assert "belongs to an interrupted run with a different set of outputs" in refused.err
    assert contacts("--with-tracks", **{"batch-size": 1}).code == 0


def test_with_tracks_no_other_run_may_write_the_tracks(contacts, genome, contacts_model, tmp_path, monkeypatch):
    """Nor begins while one writes them."""
    assert genome(out=tmp_path / "other", model=contacts_model, overlap=1280).code == 0
    (tmp_path / "out").mkdir()
    inputs = json.loads((tmp_path / "other/sample.run.json").read_text())["inputs"]
    with Journal(tmp_path / "out/.sample.journal", inputs):
        refused = contacts("--with-tracks")
    assert refused.code == 2
    assert ".sample.journal: another run is writing these outputs now" in refused.err
    seen, real = [], Session.run

    def run(self, given):
        seen.append(genome(overlap=1280, model=contacts_model).err)
        return real(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", run)
        assert contacts("--with-tracks").code == 0
    assert "another run is writing these outputs now" in seen[0]


@pytest.mark.parametrize(("bad", "tracks"), [(np.nan, ()), (np.inf, ("--with-tracks",))])
def test_attention_that_is_not_finite_stops_the_run(contacts, tmp_path, monkeypatch, bad, tracks):
    real = Session.run

    def run(self, given):
        found = {name: values.copy() for name, values in real(self, given).items()}
        found["contacts"][0, 0, 3, 4] = bad
        return found

    monkeypatch.setattr(Session, "run", run)
    done = contacts(*tracks)
    assert done.code == 1
    assert "one:1: the network's output for the window that starts here is not finite" in done.err
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_up_to_date_and_other_options_are_refused(contacts, tmp_path):
    assert contacts().code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = contacts()
    assert (again.code, again.err) == (0, "epigept-batch: sample: up to date\n")
    for options, what in (
        ({"strongest": 0.5}, "different strongest pairs"),
        ({"overlap": 0}, "a different overlap"),
        ({"map": "contacts_last_512"}, "different selection of bins, map, overlap"),
    ):
        refused = contacts(**options)
        assert refused.code == 2
        assert f"existing contacts were made with {what};" in refused.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert contacts("--force", "--raw").code == 0
    assert contacts("--raw").err.endswith("up to date\n")
    (tmp_path / "out/sample.contacts.cool").unlink()
    assert contacts("--raw").code == 0
    assert (tmp_path / "out/sample.contacts.cool").exists()


def test_coarser_levels_of_an_earlier_run_do_not_stay(contacts, tmp_path):
    assert contacts("--mcool").code == 0
    assert contacts("--force").code == 0
    assert names(tmp_path / "out") == {f"sample.{ending}" for ending in ENDINGS}


def test_what_a_killed_run_left_hidden_is_removed(contacts, tmp_path):
    (tmp_path / "out").mkdir()
    for ending in (*ENDINGS, "contacts.mcool"):
        (tmp_path / f"out/.sample.{ending}.0123abcd.part").touch()
    theirs = tmp_path / "out/.other.contacts.cool.0123abcd.part"
    theirs.touch()
    assert contacts().code == 0
    assert names(tmp_path / "out") == {*(f"sample.{ending}" for ending in ENDINGS), theirs.name}


def test_tracks_that_are_there_stay(contacts, genome, tmp_path):
    assert genome().code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert contacts().code == 0
    assert contacts("--force").code == 0
    assert before.items() <= {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}.items()
    refused = contacts("--with-tracks")
    assert refused.code == 2
    assert "sample.run.json: existing tracks were made with different model, overlap" in refused.err


def test_json_prints_the_records(contacts, tmp_path):
    done = contacts("--json", "--raw")
    (record,) = json.loads(done.out)
    assert record == json.loads((tmp_path / "out/sample.contacts.json").read_text())
    assert record["values"] == "raw"
    assert record["inputs"]["overlap"] == 1280
    assert record["pixels"] == sum(len(pixels(tmp_path / "out/sample.contacts.cool", contig)) for contig in CONTIGS)
    assert (
        sum(record["files"].values())
        == sum(p.stat().st_size for p in (tmp_path / "out").iterdir())
        - (tmp_path / "out/sample.contacts.json").stat().st_size
    )


def test_what_the_model_or_the_run_does_not_have_is_refused_before_any_work(
    contacts, small_model, contacts_model, tmp_path, monkeypatch
):
    assert contacts(out=tmp_path / "whole").code == 0
    whole = tmp_path / "whole/sample.expected.tsv"
    assert contacts(out=tmp_path / "near", region="one:1-1000").code == 0
    monkeypatch.setattr(Session, "run", pytest.fail)
    for options, said in (
        ({"model": small_model}, f"{small_model}: no output 'contacts'; convert the checkpoint with epigept-export"),
        ({"map": "loops"}, f"{contacts_model}: no output 'loops'; choose --map among contacts, contacts_all_512, "),
        (
            {"overlap": 1408},
            "--overlap 1408: must differ from the window of 2,560 bp by a multiple of the map's",
        ),
        ({"overlap": 2560}, "--overlap 2560: must be a multiple of the bin size 128 from 0 to 2432"),
        ({"min-distance": 2560}, "--min-distance 2560: must be less than the 2,560 bp of a window"),
        ({"expected": tmp_path / "x"}, "x: expected contacts cannot be read: No such file"),
        (
            {"expected": whole, "map": "contacts_last_512"},
            f"{whole}: is for bins of 256 bp, but the map has",
        ),
        (
            {"expected": tmp_path / "near/sample.expected.tsv"},
            "lacks an expected value above 0 for a distance",
        ),
    ):
        done = contacts(**options)
        assert done.code == 2
        assert said in done.err
        assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_without_any_base_nothing_is_written(contacts, fasta, tmp_path):
    fasta.write_text(">one\n" + "N" * 5000 + "\n>two\n" + "ACGT" * 1000 + "\n")
    done = contacts("--any-genome", chromosome="one")
    assert done.code == 2
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_in_one_line_and_keeps_the_windows(contacts, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("epigept_batch.commands.contacts.maps.write_cool", full)
        done = contacts()
    assert done.code == 2
    assert "sample.contacts.cool: cannot be written: No space left on device; free some space and rerun" in done.err
    assert names(tmp_path / "out") == {".sample.contacts.journal"}
    monkeypatch.setattr(Session, "run", pytest.fail)
    assert contacts().code == 0
