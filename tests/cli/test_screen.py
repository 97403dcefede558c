"""`epigept-batch screen` against one prediction per factor, and its manners."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import epigept_batch as eb
import reference
from epigept_batch.commands.screen import run as pipeline
from epigept_batch.commands.screen.resume import ScreenJournal
from epigept_batch.inference.session import Session
from epigept_batch.provenance.run_record import read_records
from epigept_batch.screen import tables, windows
from epigept_batch.screen.windows import ScreenedWindows
from epigept_export.convert import read_expression_reference
from expression import read_tpm
from tolerances import SAME

FACTORS = tuple(f"F{number:02d}" for number in range(15))
TRACKS = ("DNase", "CTCF", "H3K27ac")
BIN, WINDOW = 128, 2560
REGIONS = [
    ("one", 5000, 5200, "over a border"),  # windows meet at 5,120
    ("one", 4000, 9001, "over several windows"),
    ("one", 5000, 5200, "the same again"),
    ("one", 3100, 3500, "N only"),
    ("one", 2900, 3900, "N in part"),
    ("two", 600, 700, ""),
    ("three", 0, 90, "."),
    ("one", 130, 140, "in a bin"),
]
WITHOUT_BASES = 4
"""Number of the region of N."""
CHANGE = 2e-6
"""Largest error of a change, which is a difference of means of a signal of about 2 in float32; measured 3e-7."""


@pytest.fixture
def bed(write):
    rows = ("\t".join([contig, str(start), str(end), name]).rstrip() + "\n" for contig, start, end, name in REGIONS)
    return write("".join(rows), "regions.bed")


@pytest.fixture
def distribution(small_reference):
    matrix = read_expression_reference(small_reference, FACTORS).matrix
    return np.sort(matrix, axis=0).mean(axis=1)


@pytest.fixture
def naive(small_model, fasta):
    """Function that returns mean signals of the regions for an expression vector, (regions, tracks), by a prediction of
    its own: NaN for a region of N."""
    model = eb.load_model(small_model, device="cpu", threads=1)

    def means(vector):
        expression = eb.Expression(("x",), FACTORS, vector[None].astype(np.float32))
        predicted = model.predict(expression, ["one", "two", "three"], fasta=fasta)
        found = []
        for contig, start, end, _ in REGIONS:
            inside = (predicted.bins.contig == contig) & (predicted.bins.end > start) & (predicted.bins.start < end)
            values = predicted.values[0, inside].astype(np.float64)
            values = values[~np.isnan(values).any(axis=1)]
            found.append(values.mean(axis=0) if len(values) else np.full(3, np.nan))
        return np.array(found)

    return means


def vector_of(path, distribution):
    tpm = read_tpm(path, FACTORS).by_factor
    return tpm, reference.network_expression(tpm, np.repeat(distribution[:, None], 2, axis=1))


def after(tpm, number, value, distribution):
    """What the network reads of a factor that is set to a TPM, or None."""
    if value is None:
        return 0.0
    return np.log1p(distribution[sum(other < value for n, other in enumerate(tpm) if n != number)])


def rows(folder):
    return pl.read_parquet(folder / "screen.parquet")


def tsv(path):
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert len({len(line) for line in lines}) == 1
    assert not lines[0][0].startswith("#")
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.mark.parametrize(("set_to", "value"), [("0", 0.0), ("absent", None), ("7.5", 7.5)])
def test_it_equals_one_prediction_per_factor(screen, bed, tpm, other_tpm, naive, distribution, tmp_path, set_to, value):
    done = screen("--tpm", other_tpm, bed=bed, **{"set-to": set_to})
    assert done.code == 0, done.err
    found = rows(tmp_path / "out")
    assert len(found) == 2 * 15 * (len(REGIONS) - 1) * 3
    for sample, path in (("sample", tpm), ("other", other_tpm)):
        levels, vector = vector_of(path, distribution)
        before = naive(vector)
        for number, factor in enumerate(FACTORS):
            perturbed = vector.copy()
            perturbed[number] = after(levels, number, value, distribution)
            expected = naive(perturbed) - before
            for row in found.filter((pl.col("sample") == sample) & (pl.col("factor") == factor)).iter_rows(named=True):
                region, track = row["region"] - 1, TRACKS.index(row["track"])
                contig, start, end, name = REGIONS[region]
                assert (row["contig"], row["start"], row["end"]) == (contig, start, end)
                assert row["name"] == (name if name not in {"", "."} else f"{contig}:{start + 1}-{end}")
                np.testing.assert_allclose(row["change"], expected[region, track], rtol=0, atol=CHANGE)
                np.testing.assert_allclose(row["unperturbed"], before[region, track], rtol=SAME)
                np.testing.assert_allclose(row["tpm_before"], levels[number])
                np.testing.assert_array_equal(row["tpm_after"], np.nan if value is None else value)
                np.testing.assert_allclose(row["input_before"], vector[number], rtol=SAME)
                np.testing.assert_allclose(row["input_after"], perturbed[number], rtol=SAME)
                if vector[number].astype(np.float32) == perturbed[number].astype(np.float32):
                    assert row["change"] == 0
    assert found["change"].abs().max() > 0.01
    assert WITHOUT_BASES not in found["region"]
    assert "1 region without any base (only N), left out of the tables" in done.err


def test_what_stands_beside_a_change(screen, bed, tmp_path, fasta, small_model):
    assert screen(bed=bed).code == 0
    found = rows(tmp_path / "out")
    scores = eb.load_model(small_model, device="cpu").scan(["one", "two", "three"], fasta=fasta)
    (in_region,) = ({row["region"]: row["bins"] for row in found.iter_rows(named=True)},)
    assert in_region[5] == 9 - 4  # bins 22 to 30 overlap 2,900 to 3,900, of which 24 to 27 have no base
    assert in_region[1] == 2
    assert (found["factors"] == 15).all()
    has_n = (scores.bins.contig == "one") & (scores.bins.start >= 3072) & (scores.bins.end <= 3584)
    for row in found.filter(pl.col("track") == "CTCF").iter_rows(named=True):
        inside = (scores.bins.contig == row["contig"]) & ~has_n
        inside &= (scores.bins.end > row["start"]) & (scores.bins.start < row["end"])
        assert row["bins_with_hit"] == (scores.values[FACTORS.index(row["factor"]), inside] > 0).sum()
        assert row["bins"] == inside.sum()
        among = found.filter((pl.col("track") == "CTCF") & (pl.col("region") == row["region"]))
        assert row["rank_in_region"] == 1 + (among["change"].abs() > abs(row["change"])).sum()


def test_the_strongest_and_the_summary(screen, bed, other_tpm, tmp_path):
    assert screen("--tpm", other_tpm, bed=bed, strongest=7).code == 0
    found = rows(tmp_path / "out")
    strongest, summary = tsv(tmp_path / "out/strongest.tsv"), tsv(tmp_path / "out/summary.tsv")
    assert [row["sample"] for row in strongest] == ["sample"] * 21 + ["other"] * 21
    assert [row["track"] for row in strongest] == [track for _ in range(2) for track in TRACKS for _ in range(7)]
    assert [row["rank"] for row in strongest] == [str(rank) for _ in range(6) for rank in range(1, 8)]
    for sample in ("sample", "other"):
        for track in TRACKS:
            of = found.filter((pl.col("sample") == sample) & (pl.col("track") == track))
            sizes = sorted(map(abs, of["change"].to_list()), reverse=True)
            mine = [row for row in strongest if (row["sample"], row["track"]) == (sample, track)]
            assert [abs(float(row["change"])) for row in mine] == pytest.approx(sizes[:7], rel=1e-5)
            for row in mine:
                same = of.filter((pl.col("factor") == row["factor"]) & (pl.col("region") == int(row["region"])))
                assert float(row["change"]) == pytest.approx(same["change"].item(), rel=1e-5)
                assert int(row["rank_in_region"]) == same["rank_in_region"].item()
            of_track = [row for row in summary if (row["sample"], row["track"]) == (sample, track)]
            assert {row["factor"] for row in of_track} == set(FACTORS)
            means = {f: of.filter(pl.col("factor") == f)["change"].abs().mean() for f in FACTORS}
            for row in of_track:
                values = of.filter(pl.col("factor") == row["factor"])
                assert float(row["mean_absolute_change"]) == pytest.approx(means[row["factor"]], rel=1e-4, abs=1e-12)
                assert float(row["mean_change"]) == pytest.approx(values["change"].mean(), rel=1e-4, abs=1e-9)
                assert int(row["rank"]) == 1 + sum(mean > means[row["factor"]] for mean in means.values())
                assert int(row["regions"]) == len(REGIONS) - 1
                assert float(row["bins_with_hit"]) == values["bins_with_hit"].sum()
                assert int(row["regions_with_hit"]) == (values["bins_with_hit"] > 0).sum()
                top = values.sort(pl.col("change").abs(), descending=True, maintain_order=True)[0]
                if top["change"].item() == 0:
                    assert (row["largest_in_region"], row["largest_in"]) == ("", "")
                else:
                    assert float(row["largest_change"]) == pytest.approx(top["change"].item(), rel=1e-5)
                    assert (int(row["largest_in_region"]), row["largest_in"]) == (
                        top["region"].item(),
                        top["name"].item(),
                    )


@pytest.fixture
def computed(monkeypatch):
    """Vectors that went into the network, counted; `limit` stops the run in place of the next."""

    class Count:
        vectors = 0
        limit = None

    count, real = Count(), Session.run

    def run(self, inputs):
        if count.limit is not None and count.vectors >= count.limit:
            raise KeyboardInterrupt
        count.vectors += inputs.shape[1]
        return real(self, inputs)

    monkeypatch.setattr(Session, "run", run)
    return count


def test_what_is_left_out_would_change_nothing(screen, bed, computed, monkeypatch, tmp_path):
    assert screen(bed=bed, **{"batch-size": 1}).code == 0
    skipping, computed.vectors = computed.vectors, 0
    record = json.loads((tmp_path / "out/screen.run.json").read_text())
    assert record["evaluations"] == skipping
    monkeypatch.setattr(
        ScreenedWindows,
        "_needed",
        lambda _, window, sample: np.full(1 + len(sample.factors), window.inputs is not None),
    )
    assert screen(bed=bed, out=tmp_path / "all", **{"batch-size": 1}).code == 0
    assert computed.vectors == record["windows"] * 16
    assert skipping < 0.9 * computed.vectors
    assert rows(tmp_path / "all").equals(rows(tmp_path / "out"))


def test_a_region_may_be_cut_anywhere(screen, write, tmp_path):
    whole, parts = (4096, 9216), [4096, 4224, 5120, 6400, 7680, 9216]
    rows_of = [whole, *itertools.pairwise(parts)]
    bed = write("".join(f"one\t{start}\t{end}\n" for start, end in rows_of), "cut.bed")
    assert screen(bed=bed).code == 0
    found = rows(tmp_path / "out").sort("region")
    for (_, _), of in found.group_by("factor", "track"):
        for value in ("change", "unperturbed"):
            sums = (of[value] * of["bins"]).to_list()
            assert sums[0] == pytest.approx(sum(sums[1:]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("options", [{"batch-size": 1}, {"batch-size": 7}, {"threads": 1}, {"threads": 2}])
def test_batches_and_threads_make_no_difference(screen, bed, tmp_path, options):
    assert screen(bed=bed).code == 0
    assert screen(bed=bed, out=tmp_path / "other", **options).code == 0
    one, other = rows(tmp_path / "out"), rows(tmp_path / "other")
    values = ["change", "unperturbed"]
    assert one.drop(*values, "rank_in_region").equals(other.drop(*values, "rank_in_region"))
    for name in values:
        np.testing.assert_allclose(one[name].to_numpy(), other[name].to_numpy(), rtol=SAME, atol=CHANGE)


def test_scores_of_a_store_give_the_same(screen, scan, bed, tmp_path):
    assert scan().code == 0
    assert screen(bed=bed).code == 0
    assert screen(bed=bed, out=tmp_path / "stored", scores=tmp_path / "scores").code == 0
    assert rows(tmp_path / "stored").equals(rows(tmp_path / "out"))


def test_small_parts_and_blocks_make_no_difference(screen, bed, other_tpm, monkeypatch, tmp_path):
    assert screen("--tpm", other_tpm, bed=bed).code == 0
    monkeypatch.setattr(windows, "ROWS", 5)
    monkeypatch.setattr(pipeline, "ROWS_AT_ONCE", 100)
    assert screen("--tpm", other_tpm, bed=bed, out=tmp_path / "small").code == 0
    one, other = (rows(tmp_path / name) for name in ("out", "small"))
    assert one.columns == other.columns
    np.testing.assert_allclose(one["change"].to_numpy(), other["change"].to_numpy(), rtol=0, atol=CHANGE)
    assert one.drop("change", "unperturbed", "rank_in_region").equals(
        other.drop("change", "unperturbed", "rank_in_region")
    )
    for name in ("strongest.tsv", "summary.tsv"):
        found = [tsv(tmp_path / folder / name) for folder in ("out", "small")]
        assert len(found[0]) == len(found[1])


@pytest.mark.parametrize("compared", [False, True])
def test_stopped_again_and_again_it_becomes_the_same(screen, bed, other_tpm, computed, monkeypatch, tmp_path, compared):
    monkeypatch.setattr(windows, "ROWS", 5)
    words = ["--tpm", other_tpm, *(("--between", "sample", "other") if compared else ())]
    assert screen(*words, bed=bed, out=tmp_path / "whole").code == 0
    whole, computed.vectors, stops = computed.vectors, 0, 0
    while True:
        computed.limit = computed.vectors + 40
        done = screen(*words, bed=bed)
        if done.code == 0:
            break
        assert done.code == 130
        assert re.search(r"\d+ of 54 parts are saved; rerun the same command to resume", done.err), done.err
        assert {path.name for path in (tmp_path / "out").iterdir()} == {".screen.screen-journal"}
        stops += 1
    assert stops > 2
    assert computed.vectors <= whole + 5 * stops
    record = json.loads((tmp_path / "out/screen.run.json").read_text())
    assert record["evaluations"] == whole
    assert 0 < record["parts_resumed"] < 54
    assert rows(tmp_path / "out").equals(rows(tmp_path / "whole"))
    for path in (tmp_path / "whole").glob("*.tsv"):
        assert path.read_text() == (tmp_path / "out" / path.name).read_text()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


@pytest.mark.parametrize("files", range(4))
def test_stopped_while_files_get_their_names(screen, bed, monkeypatch, tmp_path, files):
    real, calls = tables.publish, []

    def publish(*names):
        if len(calls) == files:
            raise KeyboardInterrupt
        calls.append(1)
        real(*names)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "publish", publish)
        if files == 3:
            patch.setattr(pipeline, "write_record", publish)
        assert screen(bed=bed).code == 130
    done = screen(bed=bed)
    assert done.code == 0, done.err
    assert "resuming: " in done.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"screen.parquet", "strongest.tsv", "summary.tsv", "screen.run.json"}


def test_stopped_before_the_journal_went_it_goes_later(screen, bed, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(ScreenJournal, "remove", lambda _: None)
        assert screen(bed=bed).code == 0
    assert (tmp_path / "out/.screen.screen-journal").exists()
    assert "up to date" in screen(bed=bed).err
    assert not (tmp_path / "out/.screen.screen-journal").exists()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"set-to": "absent"}, "value of --set-to"),
        ({"factors": "F01,F02"}, "set of factors"),
        ({"tracks": "CTCF"}, "set of tracks"),
        ({"region": "one:1-500"}, "set of regions"),
        ({"strongest": 3}, "length of the list of the strongest"),
    ],
)
def test_other_inputs_are_refused_and_named(screen, bed, computed, tmp_path, options, name):
    assert screen(bed=bed).code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    computed.vectors = 0
    done = screen(**({"bed": bed} | options))
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        f"epigept-batch: {tmp_path}/out/screen.run.json: existing tables were made with a different {name}; choose "
        "another --out, or replace them with --force"
    )
    done = screen(bed=bed)
    assert (done.code, computed.vectors) == (0, 0)
    assert "up to date" in done.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert screen("--force", **({"bed": bed} | options)).code == 0
    assert computed.vectors > 0


def test_another_sample_or_a_stopped_screen_of_other_inputs_is_refused(screen, bed, other_tpm, computed, tmp_path):
    computed.limit = 60
    assert screen(bed=bed).code == 130
    computed.limit = None
    done = screen(bed=bed, tpm=other_tpm)
    assert done.code == 2
    assert "belongs to an interrupted run with a different set of samples; rerun that command unchanged" in done.err
    done = screen("--fresh", bed=bed, tpm=other_tpm)
    assert done.code == 0
    assert json.loads((tmp_path / "out/screen.run.json").read_text())["parts_resumed"] == 0


def test_a_difference_is_attributed_and_the_remainder_stated(
    screen, bed, tpm, other_tpm, naive, distribution, tmp_path
):
    done = screen("--tpm", other_tpm, "--between", "sample", "other", bed=bed)
    assert done.code == 0, done.err
    found, remainder = rows(tmp_path / "out"), tsv(tmp_path / "out/remainder.tsv")
    (_, one), (_, other) = (vector_of(path, distribution) for path in (tpm, other_tpm))
    signals = naive(one), naive(other)
    effects = np.zeros((15, len(REGIONS), 3))
    for number, factor in enumerate(FACTORS):
        there, back = one.copy(), other.copy()
        there[number], back[number] = other[number], one[number]
        in_one, in_other = naive(there) - signals[0], signals[1] - naive(back)
        effects[number] = (in_one + in_other) / 2
        for row in found.filter(pl.col("factor") == factor).iter_rows(named=True):
            place = row["region"] - 1, TRACKS.index(row["track"])
            np.testing.assert_allclose(row["effect_in_a"], in_one[place], rtol=0, atol=CHANGE)
            np.testing.assert_allclose(row["effect_in_b"], in_other[place], rtol=0, atol=CHANGE)
            np.testing.assert_allclose(row["effect"], effects[number][place], rtol=0, atol=CHANGE)
            np.testing.assert_allclose(row["difference"], (signals[1] - signals[0])[place], rtol=0, atol=CHANGE)
    assert len(remainder) == (len(REGIONS) - 1) * 3
    totals = {track: [] for track in TRACKS}
    for row in remainder:
        place = int(row["region"]) - 1, TRACKS.index(row["track"])
        numbers = {
            name: float(row[name]) for name in ("signal_a", "signal_b", "difference", "sum_of_effects", "remainder")
        }
        assert numbers["signal_a"] == pytest.approx(signals[0][place], rel=1e-5)
        assert numbers["signal_b"] == pytest.approx(signals[1][place], rel=1e-5)
        difference, explained = (signals[1] - signals[0])[place], effects[:, place[0], place[1]].sum()
        assert numbers["difference"] == pytest.approx(difference, rel=1e-4, abs=CHANGE)
        assert numbers["sum_of_effects"] == pytest.approx(explained, rel=1e-4, abs=5 * CHANGE)
        assert numbers["remainder"] == pytest.approx(difference - explained, rel=1e-3, abs=5 * CHANGE)
        totals[row["track"]].append((difference, explained, difference - explained))
    summary = tsv(tmp_path / "out/summary.tsv")
    for track, values in totals.items():
        difference, explained, rest = np.mean(values, axis=0)
        (line,) = (line for line in done.err.splitlines() if f": {track}: other minus sample is" in line)
        said = [float(text) for text in re.findall(r"-?\d+\.?\d*(?:e-\d+)?(?=[, ])", line.split(" is ")[1])]
        assert said == pytest.approx([difference, explained, rest], rel=1e-2, abs=5 * CHANGE)
        of = next(row for row in summary if row["track"] == track)
        assert float(of["mean_remainder_of_track"]) == pytest.approx(rest, rel=1e-2, abs=5 * CHANGE)
    largest = max(abs(effects[:, place, 0]).max() for place in (0, 1))
    assert largest > 0.01


def test_only_factors_that_differ_are_run(screen, bed, write, tpm, computed, tmp_path):
    lines = tpm.read_text().splitlines()
    highest = max(range(1, 16), key=lambda n: float(lines[n].split("\t")[1]))
    second = sorted(range(1, 16), key=lambda n: float(lines[n].split("\t")[1]))[-2]
    values = lines[highest].split("\t")[1], lines[second].split("\t")[1]
    for number, value in zip((highest, second), reversed(values), strict=True):
        lines[number] = f"{lines[number].split()[0]}\t{value}"
    swapped = write("\n".join(lines) + "\n", "swapped.tsv")
    done = screen("--tpm", swapped, "--between", "sample", "swapped", bed=bed)
    assert done.code == 0, done.err
    assert "the network reads the same for 13 of 15 factors in sample and swapped, so their effect is 0" in done.err
    windows_needed = json.loads((tmp_path / "out/screen.run.json").read_text())["windows"]
    assert computed.vectors <= windows_needed * 2 * 3
    found = rows(tmp_path / "out")
    assert set(found.filter(pl.col("effect") != 0)["factor"]) <= {f"F{n - 1:02d}" for n in (highest, second)}


def test_the_api_gives_what_the_command_writes(screen, small_model, tpm, other_tpm, fasta, tmp_path):
    regions = [f"{contig}:{start + 1}-{end}" for contig, start, end, _ in REGIONS]
    model = eb.load_model(small_model, device="cpu")
    words = ["--tpm", other_tpm]
    for where in regions:
        words += ["--region", where]
    assert screen(*words, factors="F03,F01,F07", tracks="CTCF,DNase", **{"set-to": "2"}).code == 0
    found = model.screen(
        [tpm, other_tpm], regions, fasta=fasta, factors=("F07", "F01", "F03"), tracks=("CTCF", "DNase"), set_to=2
    )
    assert found.to_frame().equals(rows(tmp_path / "out"))
    assert found.change.shape == (2, 3, len(REGIONS), 2)
    assert (found.samples, found.factors, found.tracks) == (
        ("sample", "other"),
        ("F01", "F03", "F07"),
        ("DNase", "CTCF"),
    )
    assert found.regions == tuple(regions)
    assert np.isnan(found.change[:, :, WITHOUT_BASES - 1]).all()
    assert np.isnan(found.unperturbed[:, WITHOUT_BASES - 1]).all()
    assert not np.isnan(np.delete(found.change, WITHOUT_BASES - 1, axis=2)).any()
    assert found.runs == json.loads((tmp_path / "out/screen.run.json").read_text())["evaluations"]
    assert len(found.to_frame("pandas")) == len(found.to_frame())
    with pytest.raises(eb.InputError, match="no samples were compared"):
        found.effect  # noqa: B018

    assert screen(*words, "--between", "other", "sample", out=tmp_path / "compared").code == 0
    found = model.screen([tpm, other_tpm], regions, fasta=fasta, between=("other", "sample"))
    assert found.to_frame().equals(rows(tmp_path / "compared"))
    there = [region for region in range(len(REGIONS)) if region != WITHOUT_BASES - 1]
    written = tsv(tmp_path / "compared/remainder.tsv")
    assert found.remainder[there].ravel() == pytest.approx([float(row["remainder"]) for row in written], rel=1e-4)
    np.testing.assert_allclose(
        found.remainder[there], (found.difference - found.effect.sum(axis=0))[there], rtol=0, atol=CHANGE
    )
    assert len(found.remainder_to_frame()) == len(written)


def test_the_api_reads_vectors_and_refuses_what_it_cannot_use(small_model, fasta, tpm):
    model = eb.load_model(small_model, device="cpu")
    read = model.read(tpm)
    own = eb.Expression(read.samples, read.factors, read.values)
    absent = [model.screen(one, "one:1-3000", fasta=fasta, set_to="absent") for one in (read, own)]
    np.testing.assert_array_equal(absent[0].change, absent[1].change)
    with pytest.raises(eb.InputError, match="TPM of shape"):
        eb.Expression(read.samples, read.factors, read.values, tpm=read.tpm[:, :3])
    zero = model.screen(own, "one:1-3000", fasta=fasta, set_to=0)  # of a normalised TPM
    np.testing.assert_array_equal(zero.inputs[:, 1], 0)
    np.testing.assert_array_equal(zero.change, absent[0].change)
    for options, message in (
        ({"factors": "F99"}, "the model has no factor 'F99'"),
        ({"factors": ()}, "no factor; name at least one"),
        ({"set_to": -1}, "--set-to -1: must be a TPM of at least 0"),
        ({"set_to": "off"}, "--set-to off: must be"),
        ({"between": ("sample", "nobody")}, "--between nobody: no table has a sample with this name; they have sample"),
        ({"between": ("sample", "sample")}, "must be two different samples"),
        ({"tracks": ("ATAC",)}, "ATAC"),
    ):
        with pytest.raises(eb.InputError, match=re.escape(message)):
            model.screen(read, "one:1-3000", fasta=fasta, **options)


def test_factors_from_names_or_a_file(screen, bed, write, tmp_path):
    names = write("# chosen\nF09\n\nF02  # twice\nF02\n", "factors.txt")
    assert screen(bed=bed, factors=names).code == 0
    assert rows(tmp_path / "out")["factor"].unique().sort().to_list() == ["F02", "F09"]
    done = screen(bed=bed, factors="F09, F02")
    assert (done.code, "up to date" in done.err) == (0, True)


def test_what_it_says(screen, bed, tmp_path):
    done = screen("--json", bed=bed)
    assert json.loads(done.out) == json.loads((tmp_path / "out/screen.run.json").read_text())
    record = json.loads(done.out)
    assert record["regions"] == len(REGIONS)
    assert record["regions_with_bases"] == len(REGIONS) - 1
    assert record["rows"] == (len(REGIONS) - 1) * 15 * 3
    assert record["screen"]["set_to"] == 0
    assert {path.name: path.stat().st_size for path in (tmp_path / "out").glob("s*.[pt]*")} == record["files"]
    differ = record["samples"][0]["factors_whose_input_changes"]
    most = record["windows"] * (1 + differ)
    assert f"the network must run up to {most} times: {record['windows']} windows × ({1 + differ}) for each" in done.err
    assert (
        f"sample: the network reads the same for {15 - differ} of 15 factors at TPM 0, so their change is 0" in done.err
    )
    assert "a rank among 15 factors has little background" in done.err
    assert record["evaluations"] <= most
    assert f"from {record['evaluations']} runs of the network" in done.err
    quiet = screen("--quiet", bed=bed, out=tmp_path / "quiet")
    assert (quiet.code, quiet.err, quiet.out) == (0, "", "")
    assert read_records(tmp_path / "out") == {}


def test_regions_of_n_only_are_refused_and_leave_nothing(screen, write, tmp_path):
    done = screen(bed=write("one\t3100\t3500\n", "n.bed"))
    assert done.code == 2
    assert not (tmp_path / "out").exists()


def test_more_regions_in_a_window_than_a_part_can_hold(screen, bed, monkeypatch):
    from epigept_batch.commands.screen import plan

    monkeypatch.setattr(plan, "MOST_VALUES", 4 * 64 * 3)
    done = screen(bed=bed)
    assert done.code == 2
    assert "5 regions lie in one window, more than the 2 that can be screened at once; split the BED file" in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["hidden", "will_be"])
def test_a_full_disk_is_one_line_and_the_work_is_kept(screen, bed, monkeypatch, tmp_path, name):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with monkeypatch.context() as patch:
        patch.setattr(tables.TableFiles, name, lambda *_: full)
        done = screen(bed=bed)
    assert done.code == 2
    assert "screen.parquet: cannot be written: " in done.err.splitlines()[-1]
    assert "No space left" in done.err.splitlines()[-1]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".screen.screen-journal"}
    done = screen(bed=bed)
    assert done.code == 0
    assert "parts are already finished" in done.err


def test_what_a_killed_screen_left_is_removed(screen, bed, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("screen.parquet", "remainder.tsv", "screen.run.json", "strongest.tsv", "other.tsv"):
        (tmp_path / f"out/.{name}.abcdefgh.part").touch()
    assert screen(bed=bed).code == 0
    hidden = [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    assert hidden == [".other.tsv.abcdefgh.part"]


def test_what_is_no_number_stops_the_screen(screen, bed, monkeypatch, tmp_path):
    real, calls = Session.run, []

    def computed(self, inputs):
        outputs = dict(real(self, inputs))
        calls.append(1)
        if len(calls) == 3:
            outputs["signal"] = outputs["signal"].copy()
            outputs["signal"][0, 1, 3, 1] = np.nan
        return outputs

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", computed)
        done = screen(bed=bed)
    assert done.code == 1
    assert "the network's output for the window that starts here is not finite" in done.err.splitlines()[-1]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".screen.screen-journal"}


def test_another_device_does_not_go_on_with_it(screen, bed, computed, monkeypatch):
    computed.limit = 60
    assert screen(bed=bed).code == 130
    computed.limit = None
    real = Session.__init__

    def on_cuda(self, *names, **options):
        real(self, *names, **(options | {"provider": "CUDAExecutionProvider"}))

    monkeypatch.setattr(Session, "__init__", on_cuda)
    done = screen(bed=bed)
    assert done.code == 2
    assert "with a different kind of device" in done.err


@pytest.mark.parametrize("when", ["meanwhile", "at the end"])
def test_a_genome_that_changes_stops_it(screen, bed, fasta, monkeypatch, tmp_path, when):
    owner, name = (Session, "run") if when == "meanwhile" else (pipeline, "_compute")
    real = getattr(owner, name)

    def changing(*words, **options):
        found = real(*words, **options)
        fasta.write_text(fasta.read_text().replace("ACGT", "TGCA", 1))
        return found

    monkeypatch.setattr(owner, name, changing)
    done = screen(bed=bed)
    assert done.code == 2
    assert done.err.endswith("file changed during the run; rerun when it is complete\n")
    assert not (tmp_path / "out/screen.parquet").exists()


def test_two_pairs_of_samples_are_two_screens(screen, bed, other_tpm):
    assert screen("--tpm", other_tpm, "--between", "sample", "other", bed=bed).code == 0
    done = screen("--tpm", other_tpm, "--between", "other", "sample", bed=bed)
    assert done.code == 2
    assert "were made with a different pair of samples; choose" in done.err
    done = screen("--tpm", other_tpm, "--sample", "other", bed=bed)
    assert done.code == 2


def test_some_factors_change_what_they_change_among_all(screen, bed, tmp_path):
    assert screen(bed=bed, **{"batch-size": 1}).code == 0
    assert screen(bed=bed, out=tmp_path / "some", factors="F14,F05,F09", **{"batch-size": 1}).code == 0
    whole = rows(tmp_path / "out").filter(pl.col("factor").is_in(["F05", "F09", "F14"]))
    assert rows(tmp_path / "some").drop("factors", "rank_in_region").equals(whole.drop("factors", "rank_in_region"))
    assert whole["change"].abs().max() > 0.001


def test_force_removes_tables_that_the_new_screen_lacks(screen, bed, other_tpm, tmp_path):
    assert screen("--tpm", other_tpm, "--between", "sample", "other", bed=bed).code == 0
    assert (tmp_path / "out/remainder.tsv").exists()
    assert screen("--force", bed=bed).code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"screen.parquet", "strongest.tsv", "summary.tsv", "screen.run.json"}
