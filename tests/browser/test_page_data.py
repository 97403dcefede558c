"""What the page shows of a run: tracks, their order, limits and scales, the genome, and the summary."""

import gzip
import json
import math

import numpy as np
import pysam
import pytest

from epigept_batch.browser.measured import drawn_as
from epigept_batch.browser.page_data import make_page
from epigept_batch.browser.tracks import Measured
from epigept_batch.errors import InputError
from epigept_batch.results.colours import MEASURED, TRACK_COLOURS
from epigept_batch.results.folder import read_run_folder
from run_folders import CONTIGS, MARKS, signal, write_bigwig, write_fasta, write_run, write_sample


@pytest.fixture
def page(run_folder):
    """Function that returns the page of the two samples."""
    return lambda **options: make_page(read_run_folder(run_folder), **options)


def titles(page):
    return [track["config"]["name"] for track in page.data["tracks"]]


def config(page, title):
    return next(track["config"] for track in page.data["tracks"] if track["config"]["name"] == title)


def path_of(page, title):
    return page.files.by_key[config(page, title)["url"].removeprefix("files/")].path


def write_measured(folder, samples=("a", "b"), marks=MARKS, contigs=None):
    """Measured signal beside the predictions, linear."""
    folder.mkdir(exist_ok=True)
    for sample in samples:
        for mark in marks:
            write_bigwig(
                folder / f"{sample}.{mark}.bw",
                lambda name, length, of=(sample, mark): signal(*of, name, length),
                contigs or CONTIGS,
                np.expm1,
            )
    return Measured(f"{folder}/{{sample}}.{{track}}.bw")


def test_tracks_are_grouped_by_mark(page, run_folder):
    found = page()
    assert titles(found) == ["a DNase", "b DNase", "a CTCF", "b CTCF"]
    orders = [track["config"]["order"] for track in found.data["tracks"]]
    assert orders == sorted(orders)
    assert len({track["config"]["id"] for track in found.data["tracks"]}) == 4
    assert path_of(found, "b CTCF") == run_folder / "b.CTCF.bw"
    assert [track["group"] for track in found.data["tracks"]] == ["DNase", "DNase", "CTCF", "CTCF"]


def test_samples_share_the_colour_and_the_limits_of_a_mark(page):
    found = page()
    for mark in MARKS:
        tops = [
            np.quantile(np.concatenate([signal(sample, mark, *contig) for contig in CONTIGS.items()]), 0.999)
            for sample in "ab"
        ]
        for sample in "ab":
            of = config(found, f"{sample} {mark}")
            assert (of["color"], of["min"], of["autoscale"]) == (TRACK_COLOURS[mark], 0, False)
            assert of["color"] == of["altColor"] == of["overflowColor"]
            assert of["windowFunction"] == "mean"
            assert max(tops) <= of["max"] < max(tops) * 1.1
            assert len(f"{of['max']:g}".replace(".", "").strip("0")) <= 2
    assert [(mark["name"], mark["colour"]) for mark in found.data["marks"]] == [(m, TRACK_COLOURS[m]) for m in MARKS]


def test_a_difference_lies_behind_its_mark_with_limits_on_both_sides_of_0(tmp_path):
    folder = write_run(tmp_path / "tracks")
    more = {"perturbation": {"of": "a", "set": "GATA1=0", "changes": []}}
    sequence = write_fasta(tmp_path / "genome.fa")
    marks = (*MARKS, "DNase.difference")
    write_sample(folder, "a+GATA1-0", tmp_path / "genome.fa", sequence, marks=marks, **more)
    page = make_page(read_run_folder(folder))
    assert titles(page)[:4] == ["a DNase", "a+GATA1-0 DNase", "a+GATA1-0 DNase difference", "b DNase"]
    of = config(page, "a+GATA1-0 DNase difference")
    values = np.concatenate([signal("a+GATA1-0", "DNase.difference", *contig) for contig in CONTIGS.items()])
    assert of["min"] == -of["max"]
    assert of["max"] >= max(-np.quantile(values, 0.001), np.quantile(values, 0.999))
    assert [track["kind"] for track in page.data["tracks"]].count("difference") == 1
    assert page.data["samples"][1]["notes"][0] == "Copy of a with GATA1=0."
    # The highest value of a pixel would hide what is below 0.
    beside = make_page(read_run_folder(folder), measured=write_measured(tmp_path / "measured"))
    functions = [config(beside, f"a+GATA1-0 DNase{end}")["windowFunction"] for end in ("", " difference")]
    assert functions == ["max", "mean"]


def test_measured_tracks_lie_beside_their_predictions_at_the_same_heights(page, tmp_path):
    """The file of signal s is drawn as log10(1 + s) up to the limit's: the height of ln(1 + s) up to the limit."""
    found = page(measured=write_measured(tmp_path / "measured"))
    assert titles(found)[:4] == ["a DNase", "a DNase measured (log scale)", "b DNase", "b DNase measured (log scale)"]
    assert path_of(found, "b CTCF measured (log scale)") == tmp_path / "measured/b.CTCF.bw"
    for mark in MARKS:
        predicted, measured = config(found, f"a {mark}"), config(found, f"a {mark} measured (log scale)")
        assert (measured["logScale"], measured["min"], measured["color"]) == (True, 0, MEASURED)
        for value in (0.1, 1.0, predicted["max"]):
            height = math.log10(1 + math.expm1(value)) / math.log10(1 + measured["max"])
            assert height == pytest.approx(value / predicted["max"])
        # The mean of logarithms in a pixel is not the logarithm of the mean; the highest value is the same.
        assert predicted["windowFunction"] == measured["windowFunction"] == "max"
    assert any("heights compare" in note for note in found.notes)
    assert found.data["notes"] == list(found.notes)


def test_measured_tracks_in_the_space_of_the_predictions_have_their_limits(page, tmp_path):
    pattern = write_measured(tmp_path / "measured").pattern
    found = page(measured=Measured(pattern, "log1p"))
    of = config(found, "a DNase measured")
    assert (of["max"], of["logScale"]) == (config(found, "a DNase")["max"], False)
    assert config(found, "a DNase")["windowFunction"] == "mean"


@pytest.mark.parametrize(
    ("predicted", "measured", "high", "log_scale"),
    [
        ("log1p", "linear", math.expm1(2), True),
        ("linear", "linear", 2, False),
        ("log1p", "log1p", 2, False),
        ("linear", "log1p", math.log1p(2), False),
    ],
)
def test_scales_of_measured_tracks(predicted, measured, high, log_scale):
    drawn = drawn_as(2.0, predicted=predicted, measured=measured)
    assert (drawn.high, drawn.log_scale) == (pytest.approx(high), log_scale)
    assert ("another scale" in drawn.words) == ((predicted, measured) == ("linear", "log1p"))


def test_measured_tracks_that_do_not_exist_are_left_out(page, tmp_path):
    measured = write_measured(tmp_path / "measured", samples=("b",), marks=("CTCF",))
    assert [title for title in titles(page(measured=measured)) if "measured" in title] == [
        "b CTCF measured (log scale)"
    ]


def test_measured_tracks_that_cannot_be_used(page, tmp_path):
    write_measured(tmp_path / "measured")
    for pattern, message in [
        ("absent/{sample}.{track}.bw", "no bigWig for any sample and track, such as absent/a.DNase.bw"),
        ("{sample}.bw", r"one file for 4 predicted tracks; put \{track\} into the path"),
        ("one.bw", r"put \{sample\} and \{track\} into the path"),
    ]:
        with pytest.raises(InputError, match=message):
            page(measured=Measured(pattern))
    write_measured(tmp_path / "other", contigs={"seven": 5000})
    with pytest.raises(InputError, match="no contig in common"):
        page(measured=Measured(f"{tmp_path}/other/{{sample}}.{{track}}.bw"))


def test_peaks_lie_behind_their_track(page, run_folder):
    names = ("a.DNase.narrowPeak", "a.CTCF.q05.broadPeak", "c.DNase.narrowPeak", "a.DNasewrong.narrowPeak")
    for name in names:
        (run_folder / name).write_text("one\t100\t400\t.\t0\t.\t5\t-1\t-1\t100\n")
    found = page()
    assert titles(found) == ["a DNase", "a DNase peaks", "b DNase", "a CTCF", "a CTCF peaks (q05)", "b CTCF"]
    assert [config(found, name)["format"] for name in ("a DNase peaks", "a CTCF peaks (q05)")] == [
        "narrowpeak",
        "broadpeak",
    ]
    assert path_of(found, "a CTCF peaks (q05)") == run_folder / "a.CTCF.q05.broadPeak"


def test_peaks_of_names_that_begin_alike(tmp_path):
    """Sample `a` with a mark `b.DNase` does not get the peaks of sample `a.b`."""
    folder = write_run(tmp_path / "tracks", samples=("a", "a.b"))
    (folder / "a.b.DNase.narrowPeak").write_text("one\t100\t400\n")
    found = make_page(read_run_folder(folder))
    assert [(t["sample"], t["group"]) for t in found.data["tracks"] if t["kind"] == "peaks"] == [("a.b", "DNase")]


def test_peaks_of_marks_that_begin_alike(tmp_path):
    folder = write_run(tmp_path / "tracks", samples=("a",), marks=("DNase", "DNase.x"))
    (folder / "a.DNase.x.narrowPeak").write_text("one\t100\t400\n")
    found = make_page(read_run_folder(folder))
    assert [t["group"] for t in found.data["tracks"] if t["kind"] == "peaks"] == ["DNase.x"]


def test_contacts_are_arcs_and_come_last(page, run_folder):
    files = {}
    for ending in ("cool", "interact", "bedpe"):
        path = run_folder / f"b.contacts.{ending}"
        path.write_text("x")
        files[path.name] = 1
    record = {"sample": "b", "inputs": {}, "files": files}
    (run_folder / "b.contacts.json").write_text(json.dumps(record))
    found = page()
    assert titles(found)[-1] == "b strongest contacts (attention)"
    last = found.data["tracks"][-1]
    assert (last["group"], last["kind"], last["config"]["type"]) == ("contacts", "contacts", "interact")
    assert path_of(found, last["config"]["name"]) == run_folder / "b.contacts.interact"


def test_the_genome_is_the_fasta_of_the_run_with_its_index(page, tmp_path):
    found = page()
    reference = found.data["reference"]
    paths = [found.files.by_key[reference[key].removeprefix("files/")].path for key in ("fastaURL", "indexURL")]
    assert paths == [tmp_path / "genome.fa", tmp_path / "genome.fa.fai"]
    assert reference["fastaURL"].endswith(".fa")  # igv.js looks for blocks in what ends with .gz
    assert "compressedIndexURL" not in reference
    assert found.notes == ()
    assert found.small_files["contigs.tsv"] == b"one\t20000\ntwo\t700\n"
    assert found.small_files["names.tsv"].split(b"\n")[0].split(b"\t") == [b"one", b"chrone"]


def test_a_packed_fasta_has_both_indexes(page, tmp_path):
    pysam.tabix_compress(str(tmp_path / "genome.fa"), str(tmp_path / "packed.fa.gz"))
    (tmp_path / "genome.fa").unlink()
    found = page(fasta=tmp_path / "packed.fa.gz")
    reference = found.data["reference"]
    endings = [reference[key].split(".", 1)[1] for key in ("fastaURL", "indexURL")]
    assert endings == ["fa.gz", "fai"]
    blocks = found.small_files[reference["compressedIndexURL"]]
    with gzip.open(tmp_path / "packed.fa.gz") as file:
        assert int.from_bytes(blocks[-8:], "little") == len(file.read())  # igv.js reads no block without its end


def test_without_the_fasta_the_page_has_no_sequence_and_says_so(page, tmp_path):
    (tmp_path / "genome.fa").unlink()
    found = page()
    assert found.data["reference"]["format"] == "chromsizes"
    assert found.data["reference"]["fastaURL"] == "contigs.tsv"
    (note,) = found.notes
    assert note.startswith("No sequence is shown: ")
    assert note.endswith("Pass the genome with --fasta.")
    assert not [file for file in found.files.by_key.values() if file.path.suffix != ".bw"]


@pytest.mark.parametrize(
    ("contigs", "seed", "message"),
    [
        ({"one": 20_000}, 3, "does not contain two, so it is not the run's genome"),
        ({"one": 20_000, "two": 701}, 3, "not the run's genome: two has 701 bp instead of 700"),
        (CONTIGS, 4, "the sequence of one differs from the run's genome"),
    ],
)
def test_a_fasta_that_is_not_the_runs(page, tmp_path, contigs, seed, message):
    write_fasta(tmp_path / "other.fa", contigs, seed)
    with pytest.raises(InputError, match=message):
        page(fasta=tmp_path / "other.fa")
    (tmp_path / "genome.fa.fai").unlink(missing_ok=True)
    (tmp_path / "other.fa").replace(tmp_path / "genome.fa")  # the run's own was replaced since
    assert message in page().notes[0]


def test_a_folder_of_contacts_needs_its_genome(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    names = [f"a.contacts.{ending}" for ending in ("cool", "interact", "bedpe")]
    for name in names:
        (folder / name).write_text("x")
    sequence = write_fasta(tmp_path / "genome.fa")
    record = {"sample": "a", "inputs": {}, "files": dict.fromkeys(names, 1), "paths": {"fasta": "/absent.fa"}}
    (folder / "a.contacts.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="the run's FASTA cannot be used .* pass it with --fasta"):
        make_page(read_run_folder(folder))
    found = make_page(read_run_folder(folder), fasta=tmp_path / "genome.fa")
    assert titles(found) == ["a strongest contacts (attention)"]
    assert found.data["locus"] == "one:1-20000"
    assert sequence


def test_it_starts_at_the_first_predicted_region(page, tmp_path):
    found = page()
    assert (found.data["locus"], found.data["regions"]) == ("one:1-20000", ["one:1-20000", "two:1-700"])
    many = [f"one:{n * 128 + 1}-{n * 128 + 128}" for n in range(600)]
    folder = tmp_path / "many"
    contigs = {"one": 600 * 128}
    write_run(folder, contigs=contigs, regions=many)
    data = make_page(read_run_folder(folder)).data
    assert (data["locus"], len(data["regions"]), data["regions_left_out"]) == ("one:1-128", 500, 100)


def test_regions_are_those_of_all_samples_once(tmp_path):
    folder = write_run(tmp_path / "tracks", regions=["one:1-1000"])
    sequence = write_fasta(tmp_path / "genome.fa")
    write_sample(folder, "b", tmp_path / "genome.fa", sequence, regions=["one:1-1000", "two:1-700"])
    assert make_page(read_run_folder(folder)).data["regions"] == ["one:1-1000", "two:1-700"]


def test_of_a_long_region_it_shows_where_data_begin(tmp_path):
    folder, contigs = tmp_path / "tracks", {"one": 2_000_000}
    write_run(folder, samples=("a",), marks=("DNase",), contigs=contigs)
    path = folder / "a.DNase.bw"

    def late(_name, length):
        return np.where(np.arange(-(-length // 128)) < 7000, np.nan, 1.0)

    write_bigwig(path, late, contigs)
    record = json.loads((folder / "a.run.json").read_text())
    record["files"][path.name] = path.stat().st_size
    (folder / "a.run.json").write_text(json.dumps(record))
    start = 7000 * 128
    assert make_page(read_run_folder(folder)).data["locus"] == f"one:{start + 1}-{start + 500_000}"
    record["regions"] = ["one:1-1200000"]
    (folder / "a.run.json").write_text(json.dumps(record))
    assert make_page(read_run_folder(folder)).data["locus"] == f"one:{start + 1}-1200000"


def test_of_many_samples_the_first_four_are_shown(tmp_path):
    folder = write_run(tmp_path / "tracks", samples=[f"s{n}" for n in range(6)], marks=("DNase",))
    data = make_page(read_run_folder(folder)).data
    assert [sample["shown"] for sample in data["samples"]] == [True] * 4 + [False] * 2
    assert len(data["tracks"]) == 6
    assert data["notes"] == ["The first 4 of 6 samples are shown. Choose others under Samples."]


def test_the_summary_is_that_of_the_records(page):
    data = page().data
    facts = dict(data["facts"])
    assert facts["Samples"] == "2"
    assert facts["Assembly"] == "not recognised"
    assert facts["Values"] == "ln(1 + signal)"
    assert facts["Model"] == "small.onnx"
    assert facts["Predicted"] == "163 bins"
    assert facts["Finished"] == "2026-01-02"
    assert "Interrupted" not in facts
    assert data["samples"][0]["notes"] == ["14 factors found, 1 missing.", "Missing: F03.", "values look rounded"]
    (row,) = [row for row in data["statistics"] if (row["sample"], row["track"]) == ("b", "CTCF")]
    values = np.concatenate([signal("b", "CTCF", *contig) for contig in CONTIGS.items()])
    assert row["mean"] == pytest.approx(values.mean())
    assert row["high"] == pytest.approx(np.quantile(values, 0.99))


def test_interrupted_samples_are_named(page, run_folder):
    (run_folder / ".c.journal").touch()
    assert dict(page().data["facts"])["Interrupted"] == "c: not shown"


def test_genes_above_the_tracks(page, tmp_path):
    assert page().data["genes"] is None
    (tmp_path / "genes.bed.gz").write_bytes(gzip.compress(b"one\t10\t20\tGATA1\t0\t+\n"))
    found = page(genes=tmp_path / "genes.bed.gz")
    assert found.data["genes"]["order"] == 0
    assert len(found.genes) == 1
    with pytest.raises(InputError, match="absent.gtf"):
        page(genes=tmp_path / "absent.gtf")
