"""The real job by the installed commands: real sequence, real RNA-seq, the published motifs and network."""

import gzip
import json

import numpy as np
import onnxruntime
import pytest

import bigwigs
from tolerances import GOLDEN, SAME

TRACKS = ("DNase", "CTCF", "H3K27ac", "H3K4me3", "H3K36me3", "H3K27me3", "H3K9me3", "H3K4me1")
LENGTH = 2_333_275
WINDOWS = [1_792_000, 2_304_000]


@pytest.fixture(scope="module")
def chromosome(shared, tmp_path_factory):
    link = tmp_path_factory.mktemp("genome") / "chr2.fa.gz"
    link.symlink_to(shared / "genome/hg38_chr2_1-2333275.fa.gz")
    return link


@pytest.fixture(scope="module")
def run(command, shared, make_hg38_model, chromosome, tmp_path_factory):
    """Tracks of the ENCODE sample by the installed command, as a function of track to values by bin."""

    def run(*options, precision="fp32"):
        out = tmp_path_factory.mktemp("tracks")
        done = command(
            *("epigept-batch", "genome", "--tpm", shared / "expression/encode_rsem.tsv.gz", "--fasta", chromosome),
            *("--model", make_hg38_model(precision), "--out", out, "--device", "cpu", *options),
        )
        assert done.returncode == 0, done.stderr
        return {track: bigwigs.bins(out / f"encode_rsem.{track}.bw", "chr2", bin_bp=128) for track in TRACKS}, out

    return run


@pytest.fixture(scope="module")
def whole(run):
    """The whole piece in fp32: 19 windows, the first with 10 kb of N, the last over the end."""
    return run()


@pytest.fixture(
    scope="module",
    params=["fp32", *(pytest.param(name, marks=pytest.mark.published) for name in ("fp16", "int8"))],
)
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def tracks(precision, run, whole):
    """Tracks that have at least the golden windows."""
    if precision == "fp32":
        return whole[0]
    regions = [f"chr2:{start + 1}-{start + 128_000}" for start in WINDOWS]
    return run("--region", regions[0], "--region", regions[1].replace("2432000", str(LENGTH)), precision=precision)[0]


@pytest.mark.parametrize("start", WINDOWS)
@pytest.mark.parametrize("number", range(8), ids=TRACKS)
def test_the_tracks_are_the_published_networks(tracks, precision, shared, start, number):
    with np.load(shared / f"golden/hg38_chr2_{start}_encode.npz") as golden:
        expected = golden["signal"][:, number]
    found = tracks[TRACKS[number]][start // 128 :][: len(expected)]
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() <= GOLDEN[precision].error
    assert np.corrcoef(found, expected)[0, 1] >= GOLDEN[precision].r


@pytest.mark.gpu
@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs onnxruntime-gpu and a CUDA device",
)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_gives_the_published_networks_tracks(run, shared, precision):
    regions = [f"--region=chr2:{start + 1}-{min(start + 128_000, LENGTH)}" for start in WINDOWS]
    tracks, out = run("--device", "cuda:0", *regions, precision=precision)
    record = json.loads((out / "encode_rsem.run.json").read_text())
    assert (record["device"], record["provider"]) == ("cuda:0", "CUDAExecutionProvider")
    for start in WINDOWS:
        with np.load(shared / f"golden/hg38_chr2_{start}_encode.npz") as golden:
            expected = golden["signal"]
        for number, track in enumerate(TRACKS):
            found = tracks[track][start // 128 :][: len(expected)]
            assert np.abs(found - expected[:, number]).max() <= GOLDEN[precision].error
            assert np.corrcoef(found, expected[:, number])[0, 1] >= GOLDEN[precision].r


def test_the_file_covers_all_but_n_to_the_last_base(whole):
    tracks, out = whole
    for track in TRACKS:
        path = out / f"encode_rsem.{track}.bw"
        assert bigwigs.contigs(path) == {"chr2": LENGTH}
        records = bigwigs.records(path, "chr2")
        assert records[0][:2] == (
            9984,
            10112,
        )  # 10,000 bp of N: the first bin with a base begins before they end
        assert records[-1][:2] == (2_333_184, LENGTH)
        assert not np.isnan(tracks[track][78:]).any()


def test_the_record_says_what_was_done(whole):
    record = json.loads((whole[1] / "encode_rsem.run.json").read_text())
    assert record["windows"] == 19
    assert record["bins"] == 18229 - 78
    found = {"found": 711, "by_id": 711, "by_alias": 0, "renamed": {}, "missing": [], "repeated": {}}
    assert record["factors"] == found
    assert record["regions"] == [f"chr2:1-{LENGTH}"]
    assert record["inputs"]["genome"] == {"chr2": "857e23c56ad670c351b8c2f12a011678"}
    assert record["provider"] == "CPUExecutionProvider"


def test_a_region_is_the_whole_run_there(whole, run):
    part, _ = run("--region", "chr2:2,000,001-2,400,000", "--threads", "1", "--tracks", ",".join(TRACKS))
    for track in TRACKS:
        first = 2_000_000 // 128
        assert np.isnan(part[track][:first]).all()
        np.testing.assert_allclose(part[track][first:], whole[0][track][first:], rtol=SAME, atol=SAME)


def test_half_windows_take_the_middle_of_each(whole, run):
    """Bins 500 to 750 of the first window are its own on both grids; behind them others are more central."""
    part, _ = run("--region", "chr2:1-256,000", "--overlap", "64000")
    for track in TRACKS:
        found, plain = part[track][:2000], whole[0][track][:2000]
        assert not np.isnan(found[78:]).any()
        np.testing.assert_allclose(found[78:750], plain[78:750], rtol=SAME, atol=SAME)
        np.testing.assert_allclose(found[1250:1750], plain[1250:1750], rtol=SAME, atol=SAME)
        assert (found[800:1200] != plain[800:1200]).mean() > 0.5


def test_missing_factors_are_named_and_recorded(command, shared, make_hg38_model, chromosome, tmp_path):
    with gzip.open(shared / "expression/encode_rsem.tsv.gz", "rt") as stream:
        lines = [line for line in stream if not line.startswith(("ENSG00000102974.", "ENSG00000106546."))]
    table = tmp_path / "liver.genes.results"
    table.write_text("".join(lines))
    done = command(
        *(
            "epigept-batch",
            "genome",
            "--tpm",
            table,
            "--fasta",
            chromosome,
            "--model",
            make_hg38_model("fp32"),
            "--out",
            tmp_path,
        ),
        *("--region", "chr2:2000000-2000001", "--tracks", "CTCF", "--device", "cpu"),
    )
    assert done.returncode == 0
    sentence = "epigept-batch: liver: 709 of 711 factors found; missing, treated as TPM 0: AHR, CTCF\n"
    assert done.stderr.startswith(sentence)
    assert json.loads((tmp_path / "liver.run.json").read_text())["factors"] == {
        "found": 709,
        "by_id": 709,
        "by_alias": 0,
        "renamed": {},
        "missing": ["AHR", "CTCF"],
        "repeated": {},
    }
