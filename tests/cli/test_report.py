"""`epigept-batch report`: its page against records and tables, as a browser and a listener would meet it."""

import hashlib
import itertools
import json
import re
import sys

import html5lib
import numpy as np
import pytest

from conftest import outcome_of
from epigept_batch.calibration.calibration_file import Levels, Series, TrackCalibration, write_calibration
from epigept_batch.calibration.curves import Curve, Reliability
from epigept_batch.cli.main import cli
from epigept_batch.commands.genome import run as genome_run
from epigept_batch.commands.genome.request import GenomeRequest
from epigept_batch.errors import OutputError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.report import signal
from valued_runs import BIN, write_run

LENGTHS = {"one": 700 * BIN, "two": 200 * BIN}
TRACKS = ("DNase", "CTCF")
SVG = "{http://www.w3.org/2000/svg}"
SIGN = "00078321"
"""Digits at the end of every TPM, by which they would be found in a page."""
HOSTILE = "<img src=x onerror=alert(1)> & \"'$x^{2$"


def report(*words):
    return outcome_of(cli, "epigept-batch", ["report", *words])


def make_values(samples, seed=4):
    rng = np.random.default_rng(seed)
    return {
        name: {
            track: {contig: rng.gamma(0.5, 1, length // BIN).astype(np.float32) for contig, length in LENGTHS.items()}
            for track in TRACKS
        }
        for name in samples
    }


@pytest.fixture
def folder(tmp_path):
    """A folder of two samples."""
    return write_run(tmp_path / "run", make_values(["liver", "lung"]), LENGTHS)


class Quiet:
    """Shows no progress."""

    def say(self, sentence):
        raise AssertionError(sentence)

    def start(self, total, *, done=0):
        pass

    def advance(self, by=1):
        pass

    def finish(self, sentence):
        pass


class Page:
    """A parsed page."""

    def __init__(self, path):
        self.text = path.read_text()
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        self.root = parser.parse(self.text)
        self.elements = list(self.root.iter())

    def all(self, tag):
        return [element for element in self.elements if element.tag == tag]

    def table(self, caption):
        """The rows of a table as a list of cells, titles first."""
        for table in self.all("table"):
            if "".join(table.find("caption").itertext()).startswith(caption):
                return [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        raise AssertionError(caption)

    def facts(self, title):
        """Names and values of a list of facts."""
        for parent in self.root.iter():
            children = list(parent)
            for number, child in enumerate(children):
                if child.tag == "h3" and child.text == title:
                    cells = ["".join(cell.itertext()) for cell in children[number + 1]]
                    return dict(zip(cells[::2], cells[1::2], strict=True))
        raise AssertionError(title)

    def words(self):
        """All text that is not in a plot or a style sheet."""

        def walk(element):
            if element.tag in {"style", f"{SVG}svg"}:
                return
            yield element.text or ""
            for child in element:
                yield from walk(child)
                yield child.tail or ""

        return " ".join(" ".join(walk(self.root)).split())

    def sections(self):
        return [section.get("id") for section in self.all("section")]


def check_page(found):
    """Check what holds for every page: valid, nothing loaded or run, readable for listeners."""
    assert found.root.get("lang") == "en"
    assert len(found.all("h1")) == len(found.all("title")) == len(found.all("main")) == 1
    levels = [int(element.tag[1]) for element in found.elements if re.fullmatch(r"h\d", str(element.tag))]
    assert levels[0] == 1
    assert all(second - first <= 1 for first, second in itertools.pairwise(levels))
    tags = {str(element.tag).removeprefix(SVG) for element in found.elements}
    assert not tags & {"script", "link", "iframe", "img", "image", "object", "embed", "form", "base", "foreignObject"}
    ids = [element.get("id") for element in found.elements if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in found.elements:
        for name, value in element.attrib.items():
            assert not str(name).lower().startswith("on"), name
            if str(name).endswith("href") or name == "src":
                assert value.startswith("#"), value
                assert value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value):
                assert target.startswith("#")
                assert target[1:] in ids
            if name in {"aria-labelledby", "aria-describedby"}:
                assert set(value.split()) <= set(ids)
    policy = next(meta for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.get("content").startswith("default-src 'none'; style-src 'unsafe-inline';")
    for plot in found.all(f"{SVG}svg"):
        assert plot.get("role") == "img"
        assert all(len(plot.find(f"{SVG}{tag}").text) > 10 for tag in ("title", "desc"))
        assert not {"width", "height"} & set(plot.attrib)
    for table in found.all("table"):
        assert table.find("caption").text
        assert {cell.get("scope") for cell in table.iter("th")} <= {"col", "row"}
        rows = list(table.iter("tr"))
        assert len({len(row) for row in rows}) == 1
        assert all(row[0].tag == "th" for row in rows)
    for box in found.all("div"):
        if box.get("class") == "scroll":
            assert (box.get("role"), box.get("tabindex")) == ("region", "0")
            assert box.get("aria-label")


def test_a_page_on_two_samples(folder):
    done = report(folder, "--region", "two:1,000-9,000")
    assert done.code == 0
    assert done.out == ""
    found = Page(folder / "report.html")
    check_page(found)
    assert found.all("h1")[0].text == "Predicted epigenomes of 2 samples"
    names = ["summary", "expression", "distributions", "correlation", "loci", "contigs", "run", "inputs", "cite"]
    assert found.sections() == names
    assert [link.get("href") for link in found.all("a")] == [f"#{name}" for name in names]
    assert len(found.all("figure")) == 2 + 2 + 1 + 1  # each locus has 320 of the 700 bins, or all 200
    assert "From all 900 predicted bins of 128 bp." in found.words()
    assert "Tracks at two:897-9,088." in found.words()  # whole bins


def test_the_figures_of_the_page_are_those_of_the_tracks(folder):
    values = make_values(["liver", "lung"])
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    joined = {(s, t): np.concatenate(list(values[s][t].values())).astype(np.float64) for s in values for t in TRACKS}
    titles, *rows = found.table("Statistics of each track")
    assert titles[2:] == ["Bins", "Mean", "Median", "99th percentile", "99.9th percentile", "Highest"]
    assert len(rows) == 4
    for track, sample, bins, *figures in rows:
        own = joined[sample, track]
        assert bins == "900"
        expected = [own.mean(), *np.quantile(own, [0.5, 0.99, 0.999]), own.max()]
        assert [float(figure) for figure in figures] == pytest.approx(expected, rel=6e-3)
    _, *rows = found.table("Correlation over all pairs")
    for track, pairs, *r in rows:
        expected = np.corrcoef(joined["liver", track], joined["lung", track])[0, 1]
        assert pairs == "1"
        assert [float(one) for one in r] == pytest.approx([expected] * 3, abs=6e-4)
    titles, *rows = found.table("Mean per contig")
    for contig, bins, *cells in rows:
        assert int(bins) == LENGTHS[contig] // BIN
        for track, cell in zip(TRACKS, cells, strict=True):
            means = [values[sample][track][contig].mean() for sample in values]
            mean, low, high = map(float, re.fullmatch(r"(\S+) \((\S+) to (\S+)\)", cell).groups())
            assert (mean, low, high) == pytest.approx((np.mean(means), min(means), max(means)), rel=6e-3)


def test_names_and_notes_are_text(tmp_path):
    more = {
        "expression": {"notes": [f"note {HOSTILE}"], "tables": [], "nearest_cell": {"cell": HOSTILE, "r": 0.5}},
        "factors": {"found": 1, "missing": [HOSTILE], "renamed": {HOSTILE: HOSTILE}, "by_alias": 1, "repeated": {}},
        "paths": {"fasta": f"/{HOSTILE}", "model": "m", "expression": HOSTILE},
        "genome": {"state": "ok", "assembly": HOSTILE, "remarks": [{"said": HOSTILE, "state": "warn", "advice": ""}]},
        "device": HOSTILE,
    }
    values = make_values(["x", "y"])
    folder = write_run(tmp_path / "run", {HOSTILE: values["x"], "ÅÄ日本": values["y"]}, LENGTHS, **more)
    assert report(folder, "-q").code == 0
    found = Page(folder / "report.html")
    check_page(found)
    assert HOSTILE in found.words()
    assert "<img" not in found.text
    labels = "".join("".join(plot.itertext()) for plot in found.all(f"{SVG}svg"))
    assert "日本" in labels
    assert "$x^{2$" in labels


def test_one_sample_has_neither_correlation_nor_variable_loci(folder):
    assert report(folder, "--sample", "lung", "-o", folder / "one.html").code == 0
    found = Page(folder / "one.html")
    check_page(found)
    assert found.all("h1")[0].text == "Predicted epigenome of lung"
    assert not {"correlation", "loci"} & set(found.sections())
    assert "liver" not in found.words()
    assert [row[0] for row in found.table("Samples")[1:]] == ["lung"]
    assert set(json.loads((folder / "run_mqc.json").read_text())["data"]) == {"lung"}


def test_twelve_samples(tmp_path):
    names = [f"sample{number}" for number in range(12)]
    values = make_values(names)
    values["sample3"]["DNase"]["one"][100:300] += 4
    folder = write_run(tmp_path / "run", values, LENGTHS)
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    check_page(found)
    assert "The 4 samples are drawn that differ most from the mean of all here; the band spans all 12." in found.words()
    locus = next(plot for plot in found.all(f"{SVG}svg") if plot.find(f"{SVG}title").text.startswith("Tracks at one"))
    drawn = {text.text for text in locus.iter(f"{SVG}text")} & set(names)
    assert len(drawn) == 4
    assert "sample3" in drawn


def test_the_same_folder_gives_the_same_page(folder):
    pages = []
    for name in ("a.html", "b.html"):
        assert report(folder, "-o", folder / name).code == 0
        pages.append(re.sub(r"made at [^<]*", "", (folder / name).read_text()))
    assert pages[0] == pages[1]


def test_signal_is_shown_as_its_logarithm(tmp_path):
    values = make_values(["liver", "lung"])
    log = write_run(tmp_path / "log", values, LENGTHS)
    expanded = {
        s: {t: {c: np.expm1(v.astype(np.float64)) for c, v in of.items()} for t, of in tracks.items()}
        for s, tracks in values.items()
    }
    linear = write_run(tmp_path / "linear", expanded, LENGTHS, space="linear")
    assert report(log).code == report(linear).code == 0
    first, second = Page(log / "report.html"), Page(linear / "report.html")
    for caption in ("Correlation over all pairs", "Mean per contig"):
        assert first.table(caption) == second.table(caption)
    tops = [[float(one) for one in re.findall(r">0 to ([\d.]+)<", found.text)] for found in (first, second)]
    assert len(tops[0]) == 2 * len(TRACKS)
    assert tops[1] == pytest.approx(tops[0], rel=0.15)  # quantiles of so few bins are interpolated as signals
    assert first.facts("What was predicted")["Values"] == "ln(1 + signal)"
    assert second.facts("What was predicted")["Values"] == "signal"
    assert "in the unit of the files, the signal." in second.words()


def test_what_the_records_say(genome, tmp_path, tpm):
    head, *rows = tpm.read_text().splitlines()
    tpm.write_text("\n".join([head, *(f"{row}{SIGN}" for row in rows)]) + "\n")
    assert genome("--report").code == 0
    folder = tmp_path / "out"
    record = json.loads((folder / "sample.run.json").read_text())
    found = Page(folder / "report.html")
    check_page(found)
    run = found.facts("Run")
    assert run["Windows"] == str(record["windows"])
    assert run["Threads, batch size"] == f"{record['threads']}, {record['batch_size']}"
    assert run["Device"].startswith(f"cpu ({record['provider']})")
    memory = record["peak_memory_bytes"]
    assert run["Peak memory"] == (f"{memory / 1e9:.1f} GB" if memory >= 1e9 else f"{memory / 1e6:.1f} MB")
    titles, row = found.table("Time per stage")
    assert titles[-1] == "elapsed"
    assert row[-1] == f"{record['seconds']['total']:.1f} s"
    assert row[titles.index("network")] == f"{record['seconds']['model']:.1f} s"
    files = {path: digest for path, _, digest in found.table("Input files")[1:]}
    assert files[str(tpm)] == record["sha256"]["expression"]
    assert files[record["paths"]["model"]] == record["sha256"]["model"]
    assert dict(found.table("MD5")[1:]) == record["inputs"]["genome"]
    _, row = found.table("Samples among")
    nearest = record["expression"]["nearest_cell"]
    assert row == ["sample", nearest["cell"], f"{nearest['r']:.3f}", f"{nearest['median_r']:.3f}"]
    _, row = found.table("Expression tables")
    verdict = record["expression"]["tables"][0]["verdict"]
    assert row == ["sample", "table with TPM", verdict, "genes", "15", "15 of 15", "0", "0"]
    for remark in record["genome"]["remarks"]:
        assert remark["said"] in found.words()
    assert SIGN not in found.text + (folder / "run_mqc.json").read_text()


def test_samples_of_several_runs_are_told_apart(tmp_path):
    values = make_values(["a", "b", "c"])
    seconds = {"load": 1.0, "model": 75.2, "total": 7385}
    folder = write_run(tmp_path / "run", values, LENGTHS, device="cpu", seconds=seconds)
    write_run(folder, {"c": values["c"]}, LENGTHS, device="cuda", seconds={"model": 3.0, "rest": 2.0, "total": 5.0})
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    assert found.facts("Run of a, b")["Device"].startswith("cpu")
    assert found.facts("Run of c")["Device"].startswith("cuda")
    assert found.table("Time per stage") == [
        ["Run of", "load network", "network", "rest", "elapsed"],
        ["a, b", "1.0 s", "1 min 15 s", "n/a", "2 h 03 min"],
        ["c", "n/a", "3.0 s", "2.0 s", "5.0 s"],
    ]


def test_what_several_samples_share_is_said_once(tmp_path):
    remarks = [{"said": "the FASTA is soft-masked", "state": "ok", "advice": ""}]
    more = {
        "genome": {"state": "ok", "assembly": "hg38", "remarks": remarks},
        "expression": {"notes": ["values look rounded"], "tables": []},
    }
    folder = write_run(tmp_path / "run", make_values(["a", "b", "c"]), LENGTHS, **more)
    assert report(folder).code == 0
    words = Page(folder / "report.html").words()
    assert words.count("the FASTA is soft-masked") == 1
    assert words.count("values look rounded") == 1


def test_missing_factors_are_named(genome, tmp_path, tpm):
    tpm.write_text("\n".join(line for line in tpm.read_text().splitlines() if not line.startswith("F07")) + "\n")
    assert genome("--report", "--max-missing", "0.1").code == 0
    found = Page(tmp_path / "out/report.html")
    assert "Missing factors, which count as TPM 0 sample: F07" in found.words()
    assert found.table("Expression tables")[1][-3:] == ["14 of 15", "0", "1"]
    data = json.loads((tmp_path / "out/run_mqc.json").read_text())["data"]
    assert data["sample"]["factors_found"] == 14


def test_a_report_of_genome_is_on_the_samples_of_its_run(genome, tmp_path, other_tpm):
    assert genome().code == 0
    assert genome("--report", tpm=other_tpm).code == 0
    assert [row[0] for row in Page(tmp_path / "out/report.html").table("Samples")[1:]] == ["other"]
    assert report(tmp_path / "out").code == 0
    assert [row[0] for row in Page(tmp_path / "out/report.html").table("Samples")[1:]] == ["other", "sample"]


def test_perturbed_copies_and_their_differences(genome, tmp_path):
    assert genome("--set", "F03=40", "--differences", "--report").code == 0
    folder = tmp_path / "out"
    found = Page(folder / "report.html")
    check_page(found)
    assert found.table("Perturbed copies")[1] == ["sample+F03-40", "sample", "F03=40", "none"]
    record = json.loads((folder / "sample+F03-40.run.json").read_text())
    titles, *rows = found.table("Differences of ln")
    assert [row[1] for row in rows] == ["DNase", "CTCF", "H3K27ac"]
    for row in rows:
        of = record["statistics"][f"{row[1]}.difference"]
        assert float(row[titles.index("Lowest")]) == pytest.approx(of["min"], rel=6e-3)
        assert float(row[titles.index("Highest")]) == pytest.approx(of["max"], rel=6e-3)
        assert float(row[titles.index("0.1th percentile")]) == pytest.approx(of["quantiles"]["0.001"], rel=6e-3)
    assert "difference" not in json.dumps(json.loads((folder / "run_mqc.json").read_text()))
    assert [row[0] for row in found.table("Expression tables")[1:]] == ["sample"]


def test_an_interrupted_sample_is_named(folder):
    (folder / ".heart.journal").touch()
    assert report(folder).code == 0
    assert "heart; rerun the prediction" in Page(folder / "report.html").words()


def test_a_personal_genome_is_counts(tmp_path):
    account = {
        "vcf": "/data/person.vcf",
        "vcf_sample": "NA1",
        "haplotype": 1,
        "applied": {"SNVs": 12, "insertions": 3},
        "skipped": {"mismatch": 1, "overlap": 2, "kinds": {"<DEL>": 4}, "elsewhere": 0},
        "records": 99,
        "heterozygous": 7,
        "unphased": {"sites": 5, "treated_as": "reference"},
        "sha256": "ab" * 32,
    }
    folder = write_run(tmp_path / "run", make_values(["s.h1"]), LENGTHS, personal_genome=account)
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    assert found.table("Variants of each haplotype")[1] == ["s.h1", "1", "12", "3", "7", "99", "7", "5"]
    assert ["/data/person.vcf", "variants", "ab" * 32] in found.table("Input files")


def test_maps_without_tracks(contacts, tmp_path):
    assert contacts().code == 0
    assert report(tmp_path / "out").code == 0
    found = Page(tmp_path / "out/report.html")
    check_page(found)
    assert found.sections() == ["summary", "expression", "contacts", "run", "inputs", "cite"]
    record = json.loads((tmp_path / "out/sample.contacts.json").read_text())
    assert found.table("Contact maps")[1][3] == f"{record['pixels']:,}"


def test_records_of_earlier_versions(folder):
    for path in folder.glob("*.run.json"):
        record = json.loads(path.read_text())
        del record["statistics"]
        path.write_text(json.dumps(record))
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    check_page(found)
    assert found.table("Statistics of each track")[1][2:] == ["n/a"] * 6
    assert len(found.all("figure")) == 2 + 2 + 2


KEYS = ("sample", "track", "part", "bins", "bins_in_peaks", "predictor")
METRICS = ("pearson_log1p", "spearman", "partial_pearson")


def write_evaluation(path, rows):
    lines = ["\t".join((*KEYS, *METRICS)), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_figures_of_an_evaluation(folder, tmp_path):
    rows = [
        ("liver", "DNase", "all", 1234, "", "prediction", 0.71234, 0.6, 0.31),
        ("liver", "DNase", "all", 1234, "", "mean_of_training_cells", 0.65, 0.5, ""),
        ("liver", "DNase", "chr1", 34, "", "prediction", 0.1, 0.2, ""),
        ("heart", "DNase", "all", 9, "", "prediction", 0.9, 0.9, ""),
        ("liver", "CTCF", "other windows", 5, "", "prediction", "", "", ""),
        ("liver", "CTCF", "training windows", 7, "", "nearest_training_cell", "nan", 0.25, "inf"),
    ]
    table = write_evaluation(tmp_path / "e.tsv", rows)
    assert report(folder, "--evaluation", table).code == 0
    found = Page(folder / "report.html")
    check_page(found)
    _, *cells = found.table("Correlation with measured tracks")
    assert cells == [
        ["liver", "DNase", "all", "1,234", "0.712", "0.650", "n/a", "0.310", "0.600"],
        ["liver", "CTCF", "other windows", "5", *["n/a"] * 5],
        ["liver", "CTCF", "training windows", "n/a", *["n/a"] * 5],
    ]
    assert "Figures of single chromosomes or distances are in the file only." in found.words()
    assert f"SHA-256 {hashlib.sha256(table.read_bytes()).hexdigest()}." in found.words()
    assert "heart" not in found.words()


def test_figures_of_an_evaluation_of_contacts(folder, tmp_path):
    columns = ("sample", "against", "contacts", "part", "pairs", "positives", "predictor")
    columns += ("auroc", "auprc", "pearson", "spearman")
    rows = [
        ("lung", "Hi-C", "c.cool", "all distances", 1200, 30, "prediction", 0.8, 0.7, 0.6, 0.5),
        ("lung", "Hi-C", "c.cool", "0-20 kb", 99, 30, "prediction", 0.11, 0.7, 0.6, 0.5),
    ]
    table = tmp_path / "e.tsv"
    table.write_text("\n".join("\t".join(map(str, row)) for row in (columns, *rows)) + "\n")
    assert report(folder, "--evaluation", table).code == 0
    _, *cells = Page(folder / "report.html").table("Agreement with measured contacts")
    assert cells == [["lung", "Hi-C", "prediction", "1,200", "0.800", "0.700", "0.600", "0.500"]]


def test_an_evaluation_as_evaluate_writes_it(genome, tmp_path):
    assert genome().code == 0
    out = tmp_path / "out"
    words = ["evaluate", "--predicted", out, "--measured", out / "{sample}.{track}.bw", "--measured-space", "log1p"]
    done = outcome_of(cli, "epigept-batch", [*words, "--out", tmp_path / "e.tsv"])
    assert done.code == 0, done.err
    (tmp_path / "e.json").write_text(outcome_of(cli, "epigept-batch", [*words, "--json", "-q"]).out)
    tables = []
    for name in ("e.tsv", "e.json"):
        assert report(out, "--evaluation", tmp_path / name).code == 0
        tables.append(Page(out / "report.html").table("Correlation with measured tracks"))
    assert tables[0] == tables[1]
    assert [row[4] for row in tables[0][1:]] == ["1.000"] * 3


MODEL = "ab" * 32


def write_calibrated(tmp_path, tracks, *, trained_on=False, **fields):
    """A run of a model, and a calibration with counts that a person can check."""
    selection = {name: [[0, length // BIN]] for name, length in LENGTHS.items()}
    inputs = {"model": MODEL, "selection of bins": selection, **fields}
    run = write_run(tmp_path / "calibrated", make_values(["liver"]), LENGTHS, inputs=inputs)
    curve = Curve(np.array([0.0, 1.0, 2.0]), np.array([1000, 200, 100]), np.array([150, 120, 80]))
    shares = Reliability(np.array([0.0, 1.0]), np.array([800, 200]), np.array([30, 120]))
    levels = Levels(
        *(np.array([0.0, 0.5]), np.array([900, 100]), np.array([100, 50])),
        *(np.array([0.1, 0.1]), np.array([0.1, 0.2]), np.array([0.01, 0.05])),
    )
    series = Series(curve, shares, 0.654)
    both = TrackCalibration(series, Series(curve, shares, 0.321), levels, {"heart": curve})
    found = dict.fromkeys(tracks, both) | {"H3K27ac": TrackCalibration(series, None, None, {"heart": curve})}
    path = tmp_path / "cal.json"
    account = {
        "training_windows": "left out",
        "finished": "2026-01-02T03:04:05+00:00",
        "notes": ["few bins in peaks"],
        "cells": {"heart": {"trained_on": trained_on}},
    }
    write_calibration(path, found, model=MODEL, samples=["heart"], contigs=["chr21"], bin_bp=BIN, account=account)
    return run, path


def test_a_calibration_is_cited(tmp_path):
    run, path = write_calibrated(tmp_path, ["DNase"])
    assert report(run, "--calibration", path).code == 0
    found = Page(run / "report.html")
    check_page(found)
    _, *rows = found.table("Thresholds of ln(1 + signal)")
    assert rows == [
        ["DNase", "highest F1", "1.000", "0.600", "0.800", "0.686"],
        ["DNase", "precision 0.5", "1.000", "0.600", "0.800", "0.686"],
        ["DNase", "precision 0.7", "2.000", "0.800", "0.533", "0.640"],
        ["DNase", "precision 0.9, not reached", *["n/a"] * 4],
    ]
    _, *rows = found.table("The prediction beside the mean of training cells")
    assert rows == [["DNase", "1,000", "150", "0.654", "0.321", "10.0 %"]]
    facts = found.facts("What it was measured on")
    assert facts["Cells"] == "held-out cells (heart)"
    assert facts["Note"] == "few bins in peaks"
    assert facts["Windows that the network was trained on"] == "left out"
    assert f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}." in found.words()
    assert "Reliability of DNase" in found.text
    assert "Reliability of H3K27ac" not in found.text


def test_a_calibration_on_training_cells_is_cited_as_such(tmp_path):
    run, path = write_calibrated(tmp_path, ["DNase"], trained_on=True)
    assert report(run, "--calibration", path).code == 0
    found = Page(run / "report.html")
    assert found.facts("What it was measured on")["Cells"] == "cells that the network was trained on (heart)"


def test_the_calibration_is_not_replaced(tmp_path):
    run, path = write_calibrated(tmp_path, ["DNase"])
    before = path.read_bytes()
    done = report(run, "--calibration", path, "--out", path, "--force")
    assert (done.code, "is also an input; choose another --out" in done.err) == (2, True)
    assert path.read_bytes() == before


def test_a_calibration_of_another_run_is_refused(tmp_path):
    run, path = write_calibrated(tmp_path, ["CTCF"], model="cd" * 32)
    done = report(run, "--calibration", path)
    assert (done.code, "made with another model file" in done.err) == (2, True)
    assert not (run / "report.html").exists()


def test_a_calibration_of_other_tracks_is_refused(tmp_path):
    run, path = write_calibrated(tmp_path, [])
    done = report(run, "--calibration", path)
    assert (done.code, "has thresholds for H3K27ac, and for no track of" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a table of an evaluation"),
        ("sample\ttrack\n", "not a table of an evaluation"),
        ("{}", "has figures of no sample"),
        ('[{"sample": "liver"}]', "not the JSON of an evaluation of tracks"),
        ("[1]", "not the JSON of an evaluation of tracks"),
        ("[" * 100_000, "not the JSON of an evaluation of tracks"),
        ("\t".join((*KEYS, *METRICS)) + "\nliver\tDNase\n", ":2: has 2 columns instead of 9"),
        (
            "\t".join((*KEYS, *METRICS)) + "\nliver\tDNase\tall\t1\t\tprediction\tx\t\t\n",
            ":2: pearson_log1p is not a number",
        ),
        (
            "\t".join((*KEYS, *METRICS)) + "\nheart\tDNase\tall\t1\t\tprediction\t1\t\t\n",
            "has figures of heart, and of no sample",
        ),
    ],
)
def test_what_is_not_an_evaluation_is_refused(folder, tmp_path, content, said):
    (tmp_path / "e").write_text(content)
    done = report(folder, "--evaluation", tmp_path / "e")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("one:99999999", "starts beyond the end of one"),
        ("three", "no contig 'three'"),
        ("one:1-2000000000", None),
        ("two:8-7", "ends before it starts"),
    ],
)
def test_regions_are_checked_first(folder, region, said):
    done = report(folder, "--region", region)
    assert done.code == (0 if said is None else 2)
    assert said is None or said in done.err
    assert (folder / "report.html").exists() == (said is None)


def test_regions_that_were_not_predicted_or_are_too_long(tmp_path):
    long = {"one": 6_000_000}
    values = {"s": {"DNase": {"one": np.full(46_875, np.nan)}}}
    values["s"]["DNase"]["one"][10:300] = 1.5
    folder = write_run(tmp_path / "run", values, long, selection={"s": {"one": [[10, 300]]}})
    for region, said in (("one:1-1000", "not predicted in"), ("one", "6,000,000 bp; a plot shows at most 5,000,000")):
        done = report(folder, "--region", region)
        assert done.code == 2
        assert said in done.err
    assert report(folder, "--region", "one:1-1300").code == 0  # reaches bin 10
    assert "Tracks at one:1-1,408." in Page(folder / "report.html").words()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.html", "<!DOCTYPE html><p>mine</p>"),
        ("report.html", "<!DOCTYPE html><p>not by epigept-batch report: mine</p>"),
        ("run_mqc.json", "<p>mine</p>"),
        ("run_mqc.json", '{"id": "other", "said": "mine</p>"}'),
        ("run_mqc.json", '["epigept_batch", "mine</p>"]'),
    ],
)
def test_a_file_that_is_no_report_stays(folder, name, content):
    (folder / name).write_text(content)
    done = report(folder)
    assert done.code == 2
    assert f"{folder / name}: exists and is not a report of epigept-batch" in done.err
    assert (folder / name).read_text() == content
    assert report(folder, "--force").code == 0
    assert report(folder).code == 0  # its own files are replaced


def test_where_a_report_cannot_be_written(folder, tmp_path):
    assert "is a folder; choose another file with --out" in report(folder, "-o", tmp_path).err
    assert report(folder, "-o", folder / "liver.run.json").code == 2
    assert report(folder, "-o", tmp_path / "new/folder/r.html").code == 0
    assert (tmp_path / "new/folder/run_mqc.json").exists()


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_told_before_the_run(genome, folder, tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    for done in (report(folder), genome("--report")):
        assert done.code == 2
        assert "install epigept-batch with its [report] extra" in done.err
    assert not (tmp_path / "out").exists()
    assert not (folder / "report.html").exists()
    assert genome().code == 0


def test_genome_refuses_to_replace_a_page_before_the_run(genome, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.html").write_text("mine")
    done = genome("--report")
    assert done.code == 2
    assert "exists and is not a report" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


@pytest.mark.parametrize("force", [True, False])
def test_genome_replaces_a_page_only_with_force(folder, tmp_path, monkeypatch, force):
    """`run_task` is replaced, because these files could only be lost before or after it."""
    (folder / "report.html").write_text("mine")
    ran = []
    monkeypatch.setattr(genome_run, "run_task", lambda *_: ran.append(1) or [{"liver": None}])
    samples = SampleRequest((("liver", tmp_path),))
    request = GenomeRequest(
        samples=samples, fasta=tmp_path, model=tmp_path, out=folder, regions=("one",), report=True, force=force
    )
    if not force:
        with pytest.raises(OutputError, match="exists and is not a report"):
            genome_run.run_genome(request, Quiet())
        assert (ran, (folder / "report.html").read_text()) == ([], "mine")
        return
    genome_run.run_genome(request, Quiet())
    assert [row[0] for row in Page(folder / "report.html").table("Samples")[1:]] == ["liver"]


def test_figures_for_multiqc(folder):
    assert report(folder).code == 0
    document = json.loads((folder / "run_mqc.json").read_text())
    assert (document["id"], document["plot_type"]) == ("epigept_batch", "generalstats")
    columns = [key for column in document["pconfig"] for key in column]
    assert columns[2:] == ["DNase_mean", "DNase_p99", "CTCF_mean", "CTCF_p99"]
    for column in document["pconfig"]:
        ((_, settings),) = column.items()
        assert {"title", "description", "format", "scale", "min"} <= set(settings)
    for sample, figures in document["data"].items():
        record = json.loads((folder / f"{sample}.run.json").read_text())["statistics"]
        assert set(figures) <= set(columns)
        assert figures["CTCF_mean"] == record["CTCF"]["mean"]
        assert figures["CTCF_p99"] == record["CTCF"]["quantiles"]["0.99"]


def test_many_contigs_are_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "MOST_CONTIGS", 1)
    folder = write_run(tmp_path / "run", make_values(["s"]), LENGTHS)
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    assert [row[0] for row in found.table("Mean per contig")[1:]] == ["one"]
    assert "Left out: 1 contig with fewer bins." in found.words()


def test_many_samples_have_no_heat_map(folder, monkeypatch):
    monkeypatch.setattr(signal, "MOST_CELLS", 1)
    assert report(folder).code == 0
    found = Page(folder / "report.html")
    assert "With more than 1 samples, r is not drawn." in found.words()
    assert found.table("Correlation over all pairs")[1][1] == "1"
