"""Simulate, train, convert, predict, by the installed commands, at a tiny size."""

import csv
import json

import numpy as np
import pyBigWig
import pytest

import bigwigs
from epigept_batch.inference.model_file import read_spec

pytest.importorskip("lightning")

TINY = """
[network]
size = "small"
bins = 64
layers = 1
feed_forward = 32
channels = [4, 4, 4, 4, 4, 7]

[fit]
epochs = {epochs}
windows = 2
cells = 2
learning_rate = 5e-3
warmup_steps = 2
head_leak = 0.1
devices = 1
"""


@pytest.fixture(scope="module")
def simulated(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "sim"
    options = ("--contigs", "3", "--contig-bp", "40000", "--cells", "5", "--seed", "2", "--threads", "1")
    done = command("epigept-batch", "simulate", "--out", folder, *options)
    assert done.returncode == 0, done.stderr
    config = (folder / "train.toml").read_text()
    for epochs in (1, 3):
        text = config[: config.index("[network]")] + TINY.format(epochs=epochs)
        (folder / f"tiny{epochs}.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def trained(command, simulated):
    done = command("epigept-export", "train", simulated / "tiny3.toml", "--out", simulated / "out", "--threads", "1")
    assert done.returncode == 0, done.stderr
    return done


def test_training_lowers_the_loss_and_logs_every_track(trained, simulated):
    figures = dict(line.split("\t") for line in trained.stdout.splitlines())
    assert {"best_val_loss", "train_loss", "val_loss", "val_r_DNase", "val_r_H3K27me3"} <= set(figures)
    assert "1 layers of 32, 4 heads, 25 factors; 5 windows × 3 cells to train on, 5 × 1 held out" in trained.stderr
    rows = list(csv.DictReader((simulated / "out/log/csv/metrics.csv").read_text().splitlines()))
    losses = [float(row["val_loss"]) for row in rows if row["val_loss"]]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert float(figures["best_val_loss"]) == pytest.approx(min(losses), abs=1e-4)
    assert list((simulated / "out/log/tb").glob("events.out.tfevents.*"))


@pytest.mark.usefixtures("trained")
def test_the_checkpoint_converts_and_predicts(command, simulated, tmp_path):
    model = tmp_path / "model.onnx"
    done = command(
        *("epigept-export", "convert", simulated / "out/model.ckpt", "--precision", "fp32", "--output", model),
        *("--motifs", simulated / "motifs.motif", "--motif-factors", simulated / "motif_factors.tsv"),
        *("--expression-reference", simulated / "out/expression_reference.tsv"),
    )
    assert done.returncode == 0, done.stderr
    spec = read_spec(model)
    assert (spec.architecture, spec.geometry.bins, len(spec.factors)) == ("trained", 64, 25)
    assert spec.network["layers"] == 1
    assert spec.network["hidden"] == 32
    assert spec.reference.cells == ("cell1", "cell2", "cell3")
    assert spec.training_windows == {"sim1": ((0, 5),)}
    info = json.loads(command("epigept-batch", "info", model, "--json").stdout)
    assert info["network"]["channels"] == [4, 4, 4, 4, 4, 7]
    done = command("epigept-export", "verify", model, "--checkpoint", simulated / "out/model.ckpt")
    assert done.returncode == 0, done.stderr
    done = command(
        *("epigept-batch", "genome", "--tpm", simulated / "tables/cell5.tsv", "--fasta", simulated / "genome.fa"),
        *("--model", model, "--out", tmp_path, "--chromosome", "sim3", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    values = bigwigs.bins(tmp_path / "cell5.DNase.bw", "sim3", bin_bp=128)
    assert len(values) == -(-40_000 // 128)
    assert np.ptp(values) > 0


def test_a_training_is_resumed_and_not_overwritten(command, export, simulated, tmp_path):
    train = ("epigept-export", "train")
    done = export("train", simulated / "tiny1.toml", "--out", tmp_path / "out", "--resume")
    assert done.code == 2
    assert f"{tmp_path}/out/last.ckpt: file not found, so there is nothing to resume" in done.err
    assert command(*train, simulated / "tiny1.toml", "--out", tmp_path / "out", "--threads", "1").returncode == 0
    done = export("train", simulated / "tiny3.toml", "--out", tmp_path / "out")
    assert done.code == 2
    assert "last.ckpt: left by an earlier training; use --resume to continue it, or choose another --out" in done.err
    done = command(*train, simulated / "tiny3.toml", "--out", tmp_path / "out", "--resume", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "epoch 2: loss" in done.stderr
    assert "epoch 0" not in done.stderr


@pytest.mark.parametrize("how", ['precision = "bf16-mixed"\nworkers = 2', 'accelerator = "cpu"\ndevices = 2'])
def test_training_in_reduced_precision_and_on_several_devices(command, simulated, tmp_path, how):
    text = (simulated / "tiny1.toml").read_text()
    path = simulated / f"how{len(how)}.toml"
    path.write_text(text.replace("devices = 1", how if "devices" in how else f"devices = 1\n{how}"))
    done = command("epigept-export", "train", path, "--out", tmp_path / "out", "--threads", "1")
    assert done.returncode == 0, done.stderr
    figures = dict(line.split("\t") for line in done.stdout.splitlines())
    assert 0 < float(figures["val_loss"]) < 5
    assert done.stderr.count("model.ckpt: done") == 1
    assert (tmp_path / "out/expression_reference.tsv").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'validation_contigs = ["sim2"]',
            'validation_contigs = ["sim7"]',
            "split.validation_contigs names sim7, which does not exist",
        ),
        ('test_cells = ["cell5"]', 'test_cells = ["cell4"]', "split holds out cell4 for both validation and test"),
        ('validation_cells = ["cell4"]', "validation_cells = []", "split leaves no cell to validate on"),
        ('fasta = "genome.fa"', 'fasta = "absent.fa"', "absent.fa: FASTA cannot be read"),
        ('expression = "expression.tsv"', 'expression = "motif_factors.tsv"', "motif_factors.tsv"),
    ],
)
def test_what_is_wrong_with_the_data_is_said(export, simulated, tmp_path, old, new, message):
    text = (simulated / "tiny1.toml").read_text()
    assert old in text
    path = simulated / f"bad{abs(hash(new))}.toml"
    path.write_text(text.replace(old, new))
    done = export("train", path, "--out", tmp_path / "out")
    assert done.code == 2
    assert message in done.err
    assert done.err.splitlines()[-1].startswith("epigept-export: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("value", "space", "message"),
    [
        (-0.5, "linear", "cell1.CTCF.bw: values below 0, for example at sim1:129"),
        (np.inf, "linear", "cell1.CTCF.bw: infinite value, for example at sim1:129"),
        (5000.0, "log1p", 'if it holds the signal itself, set space = "linear" in'),
    ],
)
def test_a_signal_that_can_be_none_is_refused(export, simulated, tmp_path, value, space, message):
    for path in (simulated / "signal").iterdir():
        (tmp_path / path.name).symlink_to(path)
    bad = tmp_path / "cell1.CTCF.bw"
    bad.unlink()
    with pyBigWig.open(str(bad), "w") as track:
        track.addHeader([(f"sim{number}", 40_000) for number in (1, 2, 3)])
        track.addEntries("sim1", 0, values=[1.0, value, 1.0], span=128, step=128)
    text = (simulated / "tiny1.toml").read_text().replace("signal/{cell}", f"{tmp_path}/{{cell}}")
    config = simulated / f"{space}{value}.toml"
    config.write_text(text.replace("[data]", f'[data]\nspace = "{space}"'))
    done = export("train", config, "--out", tmp_path / "out")
    assert done.code == 2
    assert message in done.err.splitlines()[-1]
    assert not list((tmp_path / "out").glob("*.ckpt"))
