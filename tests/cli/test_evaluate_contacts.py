"""`epigept-batch evaluate --contacts` on small maps, against scipy and scikit-learn on the same pairs of bins."""

import json
import re

import cooler
import numpy as np
import pandas as pd
import pybigtools
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from conftest import runner_of
from contact_files import write_cool, write_hic

BIN, WIDTH = 1280, 20
LENGTHS = {"chr21": 700 * BIN - 300, "chr22": 900 * BIN}
BINS = {"chr21": 700, "chr22": 900}
OFFSETS = {"chr21": 0, "chr22": 700}
UNPREDICTED = 333
"""A bin of chr21 without a prediction."""
HEADER = "chrom\tchromStart\tchromEnd\tEffectSize\tstartTSS\tendTSS\tRegulated\n"
RATIO = {"epigept-batch": {"values": "observed/expected", "sample": "K562"}}


def write_map(path, bands, *, metadata=RATIO):
    pixels = [
        (OFFSETS[contig] + i, OFFSETS[contig] + i + d, band[i, d])
        for contig, band in bands.items()
        for i in range(len(band))
        for d in range(WIDTH)
        if np.isfinite(band[i, d])
    ]
    return write_cool(path, LENGTHS, BIN, pixels, metadata=metadata)


def write_signal(path, signal):
    records = (
        (contig, i * BIN, min((i + 1) * BIN, LENGTHS[contig]), float(value))
        for contig, values in signal.items()
        for i, value in enumerate(values)
    )
    pybigtools.open(str(path), "w").write(LENGTHS, records)


class Data:
    """A predicted map with loops that have more of it, accessibility, and the files of them."""

    def __init__(self, folder):
        rng = np.random.default_rng(7)
        self.folder = folder
        self.bands, self.dnase, self.measured_dnase, self.loops = {}, {}, {}, {}
        for contig, bins in BINS.items():
            band = rng.gamma(2, 0.5, (bins, WIDTH)).round(3)
            band[np.add.outer(np.arange(bins), np.arange(WIDTH)) >= bins] = np.nan
            self.loops[contig] = sorted(
                {(int(i), int(d)) for i, d in rng.integers((2, 3), (bins - WIDTH, WIDTH), (30, 2))}
            )
            for i, d in self.loops[contig]:
                band[i, d] *= 3
            if contig == "chr21":
                band[UNPREDICTED] = np.nan
                band[np.arange(UNPREDICTED), np.minimum(UNPREDICTED - np.arange(UNPREDICTED), WIDTH - 1)] = np.nan
            self.bands[contig] = band
            self.dnase[contig] = rng.gamma(1, 1, bins).astype(np.float32)
            self.measured_dnase[contig] = rng.gamma(1, 2, bins).astype(np.float32)
        write_map(folder / "K562.contacts.cool", self.bands)
        write_signal(folder / "K562.DNase.bw", {name: np.log1p(values) for name, values in self.dnase.items()})
        write_signal(folder / "measured.bw", self.measured_dnase)
        self.expected = 1 / (1 + np.arange(WIDTH)) ** 0.7
        (folder / "K562.expected.tsv").write_text(
            f"# bin_bp\t{BIN}\ndistance_bp\tpixels\tmean\texpected\n"
            + "".join(f"{d * BIN}\t9\t{x:.17g}\t{x:.17g}\n" for d, x in enumerate(self.expected))
        )
        (folder / "loops.bedpe").write_text("".join(self.line(c, i, i + d) for c in BINS for i, d in self.loops[c]))

    @staticmethod
    def line(contig, i, j, wide=0):
        """A BEDPE line whose anchors have their midpoints in two bins."""
        places = (str(place) for k in (j, i) for place in (contig, k * BIN + 500 - wide, k * BIN + 600 + wide))
        return "\t".join(places) + "\n"


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return Data(tmp_path_factory.mktemp("contacts"))


@pytest.fixture
def evaluate(data):
    """Run `epigept-batch evaluate` on the map; options override the defaults."""
    return runner_of("evaluate", {"predicted": data.folder, "contacts": data.folder / "loops.bedpe"})


def document_of(done):
    assert done.code == 0, done.err
    (document,) = json.loads(done.out)
    return document


def product(signal, distance):
    return signal[: len(signal) - distance].astype(float) * signal[distance:].astype(float)


def ranks_by_hand(data, value_of):
    """Per loop: AUROC of it alone against all pairs at its distance that are no loops; and the pairs' number."""
    areas, passing, sizes = [], [], {}
    for contig, loops in data.loops.items():
        for i, d in loops:
            band = data.bands[contig][: BINS[contig] - d, d]
            if not np.isfinite(band[i]):
                continue
            other = np.isfinite(band)
            other[[row for row, distance in loops if distance == d]] = False
            values = value_of(contig, d)
            areas.append(roc_auc_score([1] + [0] * other.sum(), [values[i], *values[other]]))
            passing.append(np.mean(values[other] >= values[i]))
            sizes[contig, d] = other.sum()
    return np.array(areas), np.array(passing), sum(sizes.values())


def test_loops_against_pairs_of_their_distance(data, evaluate):
    document = document_of(evaluate("--json", accessibility=data.folder / "measured.bw"))
    by_name = {
        "attention": lambda contig, d: data.bands[contig][: BINS[contig] - d, d],
        "distance": lambda contig, d: np.zeros(BINS[contig] - d),
        "distance_and_predicted_accessibility": lambda contig, d: product(
            np.expm1(np.log1p(data.dnase[contig]).astype(np.float32)), d
        ),
        "distance_and_measured_accessibility": lambda contig, d: product(data.measured_dnase[contig], d),
    }
    assert list(document["predictors"]) == list(by_name)
    for name, value_of in by_name.items():
        areas, passing, negatives = ranks_by_hand(data, value_of)
        found = document["predictors"][name]
        assert found["auroc"]["value"] == pytest.approx(areas.mean(), abs=1e-9)
        ordered = np.sort(passing)
        at_most = np.searchsorted(ordered, ordered, side="right") / len(ordered)
        assert found["auprc"]["value"] == pytest.approx(np.mean(at_most / (at_most + 10 * ordered)), abs=1e-9)
        assert document["negatives"] == negatives
        assert document["positives"] == len(areas) == document["counts"]["compared"] >= 50
    assert document["predictors"]["distance"]["auroc"] | {"behind": None} == {
        "value": 0.5,
        "low": 0.5,
        "high": 0.5,
        "behind": None,
    }
    assert document["headline"].startswith(
        "attention beats distance alone, distance × predicted accessibility and distance × measured accessibility: "
        "AUROC 0.8"
    )
    assert document["conclusion"].startswith("On these data, attention tells more than distance and accessibility.")


def test_the_report_begins_with_what_it_shows(data, evaluate, tmp_path):
    rng = np.random.default_rng(1)
    noise = {contig: np.where(np.isfinite(band), rng.random(band.shape), np.nan) for contig, band in data.bands.items()}
    write_map(tmp_path / "noise.cool", noise)
    lines = evaluate(predicted=tmp_path / "noise.cool").out.splitlines()
    assert lines[0].startswith("noise: attention does not beat distance alone (AUROC 0.")
    assert " against 0.500, difference -0." in lines[0]
    assert "no accessibility, so the baseline that matters is missing" in "\n".join(lines)
    assert any("On these data, attention is not shown to tell more about contacts" in line for line in lines)
    good = evaluate().out.splitlines()
    assert good[0].startswith("K562: attention beats distance alone and distance × predicted accessibility: AUROC 0.8")
    assert re.search(
        r"^ +attention +0\.8\d\d  0\.\d{3} to 0\.\d{3}  0\.\d{3}  0\.\d{3} to 0\.\d{3}$", "\n".join(good), re.MULTILINE
    )
    only = evaluate(predicted=write_map(tmp_path / "alone.cool", data.bands)).out.splitlines()[0]
    assert only.endswith("; not compared with accessibility, which may explain it")


def test_a_constant_map_beats_nothing(data, evaluate, tmp_path):
    constant = {contig: np.where(np.isfinite(band), 0.7, np.nan) for contig, band in data.bands.items()}
    write_map(tmp_path / "c.cool", constant)
    for options in ({}, {"bin": 5000}):
        document = document_of(evaluate("--json", predicted=tmp_path / "c.cool", **options))
        assert document["predictors"]["attention"]["auroc"]["value"] == 0.5
        assert document["headline"].startswith("attention does not beat distance alone")


def test_what_is_left_out_is_counted(data, evaluate, write):
    lines = [
        data.line("chr22", 100, 110),
        data.line("chr22", 110, 100),
        data.line("22", 100, 110),
        data.line("CM000684.2", 100, 110),  # another length, so another contig
        data.line("chr22", 5, 5),
        data.line("chr22", 5, 25),
        data.line("chr21", UNPREDICTED, UNPREDICTED + 5),
        data.line("chr22", 5, 900),
        "chr21\t5\t6\tchr22\t7\t8\n",
        data.line("chr9", 1, 2),
    ]
    done = evaluate("--json", contacts=write("".join(lines), "some.bedpe"))
    document = document_of(done)
    assert document["counts"] == {
        "compared": 1,
        "repeated": 2,
        "in_one_bin": 1,
        "too_far": 1,
        "not_predicted": 1,
        "trans": 1,
        "elsewhere": 2,
        "beyond": 1,
    }
    assert document["notes"][0] == (
        "1 of 10 loops lie within the map and are compared; left out: 1 farther apart than the map reaches, 1 without "
        "a prediction, 1 with both anchors in one bin, 2 in the same pair of bins as another, 1 between contigs, 2 on "
        "other contigs, 1 beyond the end of a contig"
    )
    assert document["headline"] == "too few positives to judge: 1 loop within the map; a verdict requires 20"
    assert document["conclusion"].startswith("No conclusion can be drawn from these data.")
    assert "AUROC" not in document["headline"]


def test_only_contigs_with_loops_give_negatives(data, evaluate, write):
    one = write("".join(data.line("chr22", i, i + d) for i, d in data.loops["chr22"]), "one.bedpe")
    document = document_of(evaluate("--json", contacts=one))
    both = document_of(evaluate("--json"))
    assert document["positives"] == len(data.loops["chr22"])
    region = document_of(evaluate("--json", region="chr22"))
    assert region["predictors"] == document["predictors"]
    assert region["counts"]["outside"] == len(data.loops["chr21"])
    assert both["positives"] > document["positives"]


def test_excluded_bins_are_in_no_pair(data, evaluate, write):
    i, _ = data.loops["chr22"][3]
    bed = write(f"chr22\t{i * BIN + 5}\t{i * BIN + 6}\n", "x.bed")
    document = document_of(evaluate("--json", exclude=bed))
    whole = document_of(evaluate("--json"))
    hit = sum(i in (row, row + distance) for row, distance in data.loops["chr22"])
    assert document["counts"]["outside"] == hit >= 1
    assert whole["negatives"] - document["negatives"] > 10


def test_wide_anchors_are_noted_and_larger_bins_hold_them(data, evaluate, write):
    wide = write("".join(data.line(c, i, i + d, 2500) for c in BINS for i, d in data.loops[c]), "wide.bedpe")
    document = document_of(evaluate("--json", contacts=wide))
    assert any("the median anchor has 5,100 bp, more than 2 bins" in note for note in document["notes"])
    larger = document_of(evaluate("--json", contacts=wide, bin=5120))
    assert larger["bin_bp"] == 5120
    assert not any("median anchor" in note for note in larger["notes"])
    assert (
        document["negatives"] < document_of(evaluate("--json"))["negatives"]
    )  # the rest of the anchors is no negative


def pair_table(data, contig="chr22"):
    rng = np.random.default_rng(9)
    rows, truth = [], []
    for _ in range(120):
        i, d = int(rng.integers(2, BINS[contig] - 40)), int(rng.integers(1, 25))
        label = bool(
            rng.random() < 1 / (1 + 0.1 * d) * min(1.0, np.nan_to_num(data.bands[contig][i, min(d, WIDTH - 1)]) / 1.5)
        )
        rows.append(
            f"{contig}\t{i * BIN + 100}\t{i * BIN + 700}\t0\t{(i + d) * BIN + 640}\t{(i + d) * BIN + 641}\t{label}\n"
        )
        truth.append((i, d, label))
    return HEADER + "".join(rows), truth


def test_labelled_pairs_are_scikit_learns(data, evaluate, write):
    text, truth = pair_table(data)
    document = document_of(
        evaluate("--json", contacts=write(text, "pairs.tsv"), accessibility=data.folder / "measured.bw")
    )
    near = [(i, d, label) for i, d, label in truth if d < WIDTH]
    labels = [label for *_, label in near]
    assert 20 <= sum(labels) <= len(labels) - 20
    bp = np.array([d * BIN + 641 - 400 for _, d, _ in near])
    band, oe = data.bands["chr22"], []
    oe = np.array([band[i, d] for i, d, _ in near])
    dnase = np.expm1(np.log1p(data.dnase["chr22"]).astype(np.float32)).astype(float)
    measured = data.measured_dnase["chr22"].astype(float)
    scores = {
        "attention": oe * data.expected[[d for _, d, _ in near]],
        "attention_over_expected_by_distance": oe / bp,
        "distance": -bp,
        "distance_and_predicted_accessibility": np.array([dnase[i] * dnase[i + d] for i, d, _ in near]) / bp,
        "distance_and_measured_accessibility": np.array([measured[i] * measured[i + d] for i, d, _ in near]) / bp,
    }
    assert list(document["predictors"]) == list(scores)
    for name, values in scores.items():
        found = document["predictors"][name]
        assert found["auroc"]["value"] == pytest.approx(roc_auc_score(labels, values), abs=1e-9), name
        assert found["auprc"]["value"] == pytest.approx(average_precision_score(labels, values), abs=1e-9), name
        assert found["auroc"]["low"] < found["auroc"]["value"] < found["auroc"]["high"]
    assert document["counts"]["too_far"] == len(truth) - len(near)
    assert document["notes"][0].startswith(f"{len(near)} of 120 pairs lie within the map and are compared; left out: ")
    regulated = sum(label for *_, label in truth)
    assert document["notes"][0].endswith(f"; {sum(labels)} of {regulated} regulated pairs are among them")


def test_pairs_without_the_expected_contacts(data, evaluate, write, tmp_path):
    text, truth = pair_table(data)
    path = write_map(tmp_path / "alone.cool", data.bands)
    document = document_of(evaluate("--json", predicted=path, contacts=write(text, "pairs.tsv")))
    near = [(i, d, label) for i, d, label in truth if d < WIDTH]
    values = [data.bands["chr22"][i, d] / (d * BIN + 641 - 400) for i, d, _ in near]
    auroc = document["predictors"]["attention"]["auroc"]["value"]
    assert auroc == pytest.approx(roc_auc_score([label for *_, label in near], values), abs=1e-9)
    assert "attention is observed/expected × 1/distance, because alone.expected.tsv does not exist" in "".join(
        document["notes"]
    )
    raw = write_map(tmp_path / "raw.cool", data.bands, metadata={"epigept-batch": {"values": "raw"}})
    document = document_of(evaluate("--json", predicted=raw, contacts=tmp_path / "pairs.tsv"))
    values = [data.bands["chr22"][i, d] for i, d, _ in near]
    auroc = document["predictors"]["attention"]["auroc"]["value"]
    assert auroc == pytest.approx(roc_auc_score([label for *_, label in near], values), abs=1e-9)
    assert document["values"] == "raw"
    assert list(document["predictors"]) == ["attention", "distance"]


def spread_pairs(label_of):
    """A table of 60 pairs, 3 bins apart."""
    places = ((i, i * 10 * BIN, (i * 10 + 3) * BIN) for i in range(60))
    return HEADER + "".join(f"chr22\t{a}\t{a + 9}\t0\t{b}\t{b + 1}\t{int(label_of(i))}\n" for i, a, b in places)


@pytest.mark.parametrize(
    ("positives", "headline"), [(0, "0 regulated pairs"), (1, "1 regulated pair"), (19, "19 regul")]
)
def test_too_few_positives_have_no_area_in_the_headline(evaluate, write, positives, headline):
    path = write(spread_pairs(lambda i: i < positives), "few.tsv")
    lines = evaluate(contacts=path).out.splitlines()
    assert lines[0].startswith(f"K562: too few positives to judge: {headline}")
    assert "AU" not in lines[0]
    document = document_of(evaluate("--json", contacts=path))
    assert (document["predictors"]["attention"]["auroc"]["value"] is None) == (positives == 0)


def test_too_few_negatives(evaluate, write):
    lines = evaluate(contacts=write(spread_pairs(lambda i: i > 4), "few.tsv")).out.splitlines()
    assert lines[0] == "K562: too few negatives to judge: 5 within the map; a verdict requires 20"


@pytest.fixture(scope="session")
def measured_maps(data):
    """Maps of 2,560 bp: balanced, in several resolutions, and as .hic."""
    rng = np.random.default_rng(3)
    bins = {name: -(-length // (2 * BIN)) for name, length in LENGTHS.items()}
    pixels, offset = [], 0
    for contig, count in bins.items():
        band = data.bands[contig]
        for i in range(count):
            for d in range(min(WIDTH // 2 + 3, count - i)):
                block = band[2 * i : 2 * i + 2, min(2 * d, WIDTH - 1)]
                value = rng.poisson(20 * np.nan_to_num(block).mean() / (1 + d) + 1)
                if value:
                    pixels.append((offset + i, offset + i + d, float(value)))
        offset += count
    path = write_cool(data.folder / "measured.cool", LENGTHS, 2 * BIN, pixels)
    weights = rng.random(offset) + 0.5
    weights[[20, 400]] = np.nan
    write_cool(data.folder / "balanced.cool", LENGTHS, 2 * BIN, pixels, weights={"weight": weights})
    cooler.zoomify_cooler(str(path), str(data.folder / "measured.mcool"), [2 * BIN, 4 * BIN], chunksize=10**7)
    write_hic(data.folder / "measured.hic", LENGTHS, [2 * BIN, 4 * BIN], pixels)
    return data.folder


def coarse(band, contig):
    """Means of 2 × 2 pixels, NaN if fewer than half have a value; the last bin of chr21 is shorter."""
    bins = -(-len(band) // 2)
    result = np.full((bins, WIDTH // 2), np.nan)
    size = np.full(len(band), float(BIN))
    size[-1] = LENGTHS[contig] - (len(band) - 1) * BIN
    for row in range(bins):
        for d in range(1, WIDTH // 2):
            rows = range(2 * row, min(2 * row + 2, len(band)))
            columns = range(2 * (row + d), min(2 * (row + d) + 2, len(band)))
            cells = [(i, j) for i in rows for j in columns if j - i < WIDTH and np.isfinite(band[i, j - i])]
            area = sum(size[i] * size[j] for i, j in cells)
            whole = sum(size[i] * size[j] for i in rows for j in columns)
            if whole and area >= whole / 2:
                result[row, d] = np.float32(sum(size[i] * size[j] * band[i, j - i] for i, j in cells) / area)
    return result


@pytest.mark.parametrize("name", ["measured.cool", "measured.mcool", "measured.hic", "balanced.cool"])
def test_a_measured_map_is_correlated_within_distances(data, evaluate, measured_maps, name):
    document = document_of(evaluate("--json", contacts=measured_maps / name))
    assert document["bin_bp"] == 2 * BIN
    totals = {"pearson": [0, 0], "spearman": [0, 0]}
    matrix = cooler.Cooler(str(measured_maps / ("balanced.cool" if name == "balanced.cool" else "measured.cool")))
    pairs = 0
    for contig, band in data.bands.items():
        x = coarse(band, contig)
        y = matrix.matrix(balance=name == "balanced.cool").fetch(contig)
        for d in range(1, WIDTH // 2):
            a, b = x[: len(x) - d, d], np.diagonal(y, d)
            has = np.isfinite(a) & np.isfinite(b)
            pairs += has.sum()
            for kind, of in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
                totals[kind][0] += has.sum() * of(a[has], b[has]).statistic
                totals[kind][1] += has.sum()
    assert document["counts"]["compared"] == pairs == sum(stratum["pairs"] for stratum in document["strata"])
    for kind, (total, number) in totals.items():
        assert document["predictors"]["attention"][kind]["value"] == pytest.approx(total / number, abs=1e-6)
    values = "normalised (weight)" if name == "balanced.cool" else "raw values, because the file has no normalisation"
    assert f"the measured map is {values}" in document["notes"]
    assert document["predictors"]["distance"]["pearson"]["value"] is None
    assert document["headline"] == (
        "too little of the genome is compared to judge: intervals need data in 10 stretches of 1 Mb"
    )


def test_bins_of_a_measured_map(evaluate, measured_maps):
    document = document_of(evaluate("--json", contacts=measured_maps / "measured.mcool", bin=4 * BIN))
    assert document["bin_bp"] == 4 * BIN
    named = document_of(evaluate("--json", contacts=f"{measured_maps}/measured.mcool::/resolutions/{4 * BIN}"))
    assert named["predictors"] == document["predictors"]
    fine = write_cool(measured_maps / "fine.cool", LENGTHS, 640, [(5, 9, 1.0), (30, 44, 2.0)])
    assert document_of(evaluate("--json", contacts=fine))["bin_bp"] == 1280
    odd = write_cool(measured_maps / "odd.cool", LENGTHS, 1000, [(5, 9, 1.0), (30, 44, 2.0)])
    assert document_of(evaluate("--json", contacts=odd))["bin_bp"] == 2000
    text = evaluate(contacts=measured_maps / "measured.mcool", bin=4 * BIN).out
    assert "under 10,000 bp, " in text
    assert "all distances, " in text


def test_several_samples_and_a_table(data, evaluate, tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_map(folder / f"{name}.contacts.cool", data.bands)
        if name != "c":
            (tmp_path / f"{name}.bedpe").write_bytes((data.folder / "loops.bedpe").read_bytes())
    out = tmp_path / "figures.tsv"
    done = evaluate(predicted=folder, contacts=f"{tmp_path}/{{sample}}.bedpe", out=out)
    assert done.code == 0, done.err
    assert "skipped maps whose measured contacts do not exist" in done.err
    assert [line[:2] for line in done.out.splitlines() if line and line[0] != " "] == ["a:", "b:"]
    table = pd.read_csv(out, sep="\t")
    assert table["sample"].tolist() == ["a", "a", "b", "b"]
    assert table["predictor"].tolist() == ["attention", "distance"] * 2
    whole = document_of(evaluate("--json"))
    assert table["auroc"][0] == whole["predictors"]["attention"]["auroc"]["value"]
    assert table["attention_minus_auroc_low"][1] > 0.3
    assert evaluate(predicted=folder, contacts=f"{tmp_path}/{{sample}}.bedpe", out=out).code == 0
    (tmp_path / "mine.tsv").write_text("x\n")
    assert "exists and is not an epigept-batch table" in evaluate(out=tmp_path / "mine.tsv").err


def test_a_table_of_a_map_has_its_strata(evaluate, measured_maps, tmp_path):
    out = tmp_path / "figures.tsv"
    assert evaluate(contacts=measured_maps / "measured.cool", out=out).code == 0
    table = pd.read_csv(out, sep="\t")
    assert list(dict.fromkeys(table["part"]))[:3] == ["all distances", "under 10,000 bp", "10,000 to 19,999 bp"]
    assert table["pairs"][0] == table.drop_duplicates("part")["pairs"][1:].sum()
    assert table["positives"].isna().all()


def test_a_map_that_does_not_say_what_it_holds(data, evaluate, tmp_path):
    path = write_map(tmp_path / "silent.cool", data.bands, metadata=None)
    document = document_of(evaluate("--json", predicted=path))
    assert document["values"] == "observed/expected"
    assert any("does not say what its values are; treated as observed/expected" in note for note in document["notes"])


def test_signals_in_another_space(data, evaluate, tmp_path):
    write_signal(tmp_path / "linear.bw", data.dnase)
    given = document_of(
        evaluate("--json", **{"predicted-accessibility": tmp_path / "linear.bw", "predicted-space": "linear"})
    )
    beside = document_of(evaluate("--json"))
    name = "distance_and_predicted_accessibility"
    assert given["predictors"][name]["auroc"]["value"] == pytest.approx(
        beside["predictors"][name]["auroc"]["value"], abs=1e-6
    )


def test_bases_without_measured_accessibility(data, evaluate, tmp_path):
    records = (("chr22", i * BIN, i * BIN + BIN, 1.0 + i % 7) for i in range(0, 900, 2))
    pybigtools.open(str(tmp_path / "gaps.bw"), "w").write(LENGTHS, records)
    gaps = document_of(evaluate("--json", accessibility=tmp_path / "gaps.bw"))
    filled = document_of(evaluate("--json", "--zero-fill", accessibility=tmp_path / "gaps.bw"))
    assert gaps["counts"]["without_accessibility"] > 20
    assert filled["positives"] > gaps["positives"]
    assert "without_accessibility" not in filled["counts"] or filled["counts"]["without_accessibility"] == len(
        data.loops["chr21"]
    )


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ((), {"contacts": None}, "pass either --measured, to compare tracks, or --contacts, to compare contacts"),
        ((), {"measured": "x.bw"}, "pass either --measured"),
        ((), {"training": "x.bw"}, "--training: has no effect with --contacts; remove it"),
        ((), {"nearest": "x"}, "--nearest: has no effect with --contacts"),
        ((), {"peaks": "x"}, "--peaks: has no effect with --contacts"),
        ((), {"scale": "1"}, "--scale: has no effect with --contacts"),
        ((), {"model": "m"}, "--model: has no effect with --contacts"),
        ((), {"figures": "f"}, "--figures: has no effect with --contacts"),
        (("--by-chromosome",), {}, "--by-chromosome: has no effect with --contacts"),
        (("--zero-fill",), {}, "--zero-fill: has no effect without --accessibility; add that, or remove this option"),
        ((), {"measured-space": "linear"}, "--measured-space: has no effect without --accessibility"),
        (
            (),
            {"contacts": None, "measured": "x", "accessibility": "x"},
            "--accessibility: has no effect without --contacts",
        ),
        ((), {"contacts": "absent.bedpe"}, "absent.bedpe: measured contacts not found"),
        ((), {"predicted": "absent"}, "absent: folder or .cool not found; pass the output of epigept-batch contacts"),
        ((), {"accessibility": "absent.bw"}, "absent.bw: bigWig not found"),
        ((), {"bin": 1000}, "--bin 1000: smaller than the bins of the predicted map, 1,280 bp"),
        ((), {"bin": 20_000}, "bins of 20,000 bp leave no distance to compare; the predicted map reaches 25,600 bp"),
        ((), {"region": "chr5"}, "the genome has no contig 'chr5'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(evaluate, words, options, message):
    done = evaluate(*words, **options)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_nothing_to_compare(data, evaluate, write, tmp_path):
    far = write(data.line("chr22", 1, 500), "far.bedpe")
    message = "no loop can be compared: 0 of 1 loops lie within the map and are compared; left out: 1 farther apart"
    assert message in evaluate(contacts=far).err
    far = write(f"{HEADER}chr22\t1\t2\t0\t900000\t900001\tTRUE\n", "far.tsv")
    assert "no pair can be compared: 0 of 1 pairs" in evaluate(contacts=far).err
    empty = write_cool(tmp_path / "empty.cool", LENGTHS, 2 * BIN, [])
    assert "no pair of bins to compare" in evaluate(contacts=empty).err
    other = write_cool(tmp_path / "other.cool", {"chr5": 100_000}, 2 * BIN, [(1, 2, 3.0)])
    assert "no contig in common with the genome: chr5, … instead of chr21, …" in evaluate(contacts=other).err
    length = write_cool(tmp_path / "length.cool", {"chr22": 100_000}, 2 * BIN, [(1, 2, 3.0)])
    assert "chr22 has 100,000 bp, but 1,152,000 in the genome" in evaluate(contacts=length).err
    (tmp_path / "none").mkdir()
    assert "contains no SAMPLE.contacts.cool" in evaluate(predicted=tmp_path / "none").err
    two = tmp_path / "two"
    two.mkdir()
    for name in "ab":
        write_map(two / f"{name}.contacts.cool", {"chr22": data.bands["chr22"][:30]})
    assert "one file for 2 predicted maps; put {sample} into the path" in evaluate(predicted=two).err
    alone = write_map(tmp_path / "alone.cool", data.bands)
    done = evaluate(predicted=alone, **{"predicted-space": "linear"})
    assert "--predicted-space: has no effect without predicted accessibility" in done.err


def test_the_published_pairs_and_loops_on_a_map_of_chr22(shared, tmp_path):
    """The map is random: only what is compared has a known number."""
    length, rng = 50_818_468, np.random.default_rng(1)
    rows = np.repeat(np.arange(8203, 39702), 100)
    columns = rows + np.tile(np.arange(100), 39702 - 8203)
    table = pd.DataFrame({"bin1_id": rows, "bin2_id": columns, "count": rng.gamma(1, 1, len(rows))})
    table = table[table["bin2_id"] < 39702]
    path = tmp_path / "K562.contacts.cool"
    bins = cooler.binnify(pd.Series({"chr22": length}), BIN)
    cooler.create_cooler(str(path), bins, table, dtypes={"count": "float64"}, metadata=RATIO, ordered=True)
    evaluate = runner_of("evaluate", {"predicted": path})
    document = document_of(evaluate("--json", contacts=shared / "chr22/crispr_K562.tsv"))
    assert (document["positives"], document["negatives"], document["counts"]["too_far"]) == (6, 15, 78)
    assert document["headline"].startswith("too few positives to judge: 6 regulated pairs within the map")
    options = {"accessibility": shared / "chr22/acc.K562.chr22.bw"}
    document = document_of(
        evaluate("--json", "--zero-fill", contacts=shared / "chr22/chiapet_RAD21.K562.bedpe", **options)
    )
    assert (document["positives"], document["counts"]["too_far"], document["counts"]["in_one_bin"]) == (398, 123, 128)
    assert document["headline"].startswith("attention does not beat distance alone (AUROC 0.")
    assert document["predictors"]["distance_and_measured_accessibility"]["auroc"]["value"] > 0.85
