"""Simulate, train, convert, predict, by the installed commands, at a tiny size."""

import csv
import json
import pickle
import shutil

import numpy as np
import pyBigWig
import pytest
import torch

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
    done = command("epigept-batch", "simulate", "--out", folder, "--contacts", *options)
    assert done.returncode == 0, done.stderr
    config = (folder / "train.toml").read_text()
    for epochs in (1, 3):
        text = config[: config.index("[network]")] + TINY.format(epochs=epochs)
        without = text.replace('contacts = "contacts/{cell}.contacts.cool"\n', "")
        assert without != text
        (folder / f"tiny{epochs}.toml").write_text(without)
        for weight in (0, 2):
            (folder / f"contacts{epochs}.{weight}.toml").write_text(f"{text}\n[contacts]\nweight = {weight}\n")
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


def metrics(out):
    """The logged figures by epoch, without empty ones."""
    rows = csv.DictReader((out / "log/csv/metrics.csv").read_text().splitlines())
    epochs = {}
    for row in rows:
        epochs.setdefault(int(row["epoch"]), {}).update({k: float(v) for k, v in row.items() if v})
    return epochs


@pytest.fixture(scope="module")
def trained_on_contacts(command, simulated):
    for weight in (0, 2):
        config, out = simulated / f"contacts3.{weight}.toml", simulated / f"contacts{weight}"
        done = command("epigept-export", "train", config, "--out", out, "--threads", "1")
        assert done.returncode == 0, done.stderr
    return done


@pytest.mark.usefixtures("trained", "trained_on_contacts")
def test_contacts_that_are_only_measured_change_nothing(simulated):
    without, measured = (metrics(simulated / name) for name in ("out", "contacts0"))
    for epoch, figures in without.items():
        # With contacts, the loss of all batches is summed in float64, so its last digits may differ.
        assert {name: measured[epoch][name] for name in figures} == pytest.approx(figures, rel=1e-6)
        assert measured[epoch]["val_signal_loss"] == measured[epoch]["val_loss"]
        assert 0.5 < measured[epoch]["val_contact_similarity"] < 1


def test_training_on_contacts_makes_attention_more_like_them(trained_on_contacts, simulated):
    measured, learnt = (metrics(simulated / f"contacts{weight}") for weight in (0, 2))
    assert learnt[2]["val_contact_similarity"] > measured[2]["val_contact_similarity"] + 1e-3
    assert learnt[2]["val_contact_similarity"] > learnt[0]["val_contact_similarity"]
    for epoch in range(3):
        figures = learnt[epoch]
        loss = figures["val_signal_loss"] - 2 * figures["val_contact_similarity"]
        assert figures["val_loss"] == pytest.approx(loss, abs=1e-6)
        uniform = figures["val_contact_similarity_uniform"]
        assert uniform == measured[0]["val_contact_similarity_uniform"]
        shown = f"contacts {figures['val_contact_similarity']:.3f} (uniform attention: {uniform:.3f}), r DNase"
        assert shown in trained_on_contacts.stderr
    assert "reading contacts of 5 of 5 cells in bins of 1,024 bp: raw values" in trained_on_contacts.stderr
    printed = dict(line.split("\t") for line in trained_on_contacts.stdout.splitlines())
    assert float(printed["val_contact_similarity"]) == pytest.approx(learnt[2]["val_contact_similarity"], abs=1e-4)
    assert float(printed["best_val_loss"]) == pytest.approx(min(row["val_loss"] for row in learnt.values()), abs=1e-4)


@pytest.mark.usefixtures("trained_on_contacts")
def test_the_logged_similarity_is_that_of_the_checkpoint_and_the_map(simulated):
    """By numpy from the map itself, with the probabilities of the network as `convert` loads it."""
    import cooler

    from epigept_export.load import load_network
    from epigept_export.training.config import read_config
    from epigept_export.training.data import WindowDataset, read_data

    learnt = metrics(simulated / "contacts2")
    config = read_config(simulated / "contacts3.2.toml")
    data = read_data(config, simulated / "contacts2", threads=1, say=lambda _: None)
    network = load_network(simulated / "contacts2/model.ckpt")
    kept = []
    layer = network.layer_stack().layer[0].attention.get_submodule("self")
    layer.register_forward_pre_hook(lambda module, given: kept.append(module.probabilities(given[0])))
    numbers = data.numbers(["sim2"])
    dataset = WindowDataset(data, numbers, [data.cells.index("cell4")])
    whole = cooler.Cooler(str(simulated / "contacts/cell4.contacts.cool")).matrix(balance=False).fetch("sim2")
    cosines = []
    for place, number in enumerate(numbers):
        example = dataset[place]
        network(example.tokens[None], example.motif_scores[None], example.expression)
        attention = kept.pop()[0].numpy().mean(axis=0).reshape(8, 8, 8, 8).mean(axis=(1, 3))
        first = data.windows[number].number * 8
        size = min(8, 40_000 // 1024 - first)  # less than half of the contig's last bin is there
        contacts = whole[first : first + size, first : first + size]
        for row in range(size):
            others = [n for n in range(size) if n != row]
            x, y = attention[row, others], contacts[row, others]
            cosines.append(x @ y / np.sqrt((x @ x) * (y @ y)))
    best = min(learnt.values(), key=lambda row: row["val_loss"])
    assert len(cosines) == 39
    assert np.mean(cosines) == pytest.approx(best["val_contact_similarity"], rel=1e-5)


@pytest.mark.usefixtures("trained_on_contacts")
def test_the_checkpoint_of_a_training_on_contacts_converts(command, simulated, tmp_path):
    model = tmp_path / "model.onnx"
    checkpoint = simulated / "contacts2/model.ckpt"
    done = command(
        *("epigept-export", "convert", checkpoint, "--precision", "fp32", "--output", model),
        *("--motifs", simulated / "motifs.motif", "--motif-factors", simulated / "motif_factors.tsv"),
        *("--expression-reference", simulated / "contacts2/expression_reference.tsv"),
    )
    assert done.returncode == 0, done.stderr
    done = command("epigept-export", "verify", model, "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr


HOW = ['precision = "bf16-mixed"\nworkers = 2', 'accelerator = "cpu"\ndevices = 2']


def trained_how(command, config, how, folder):
    """Train as a configuration says, with other settings of the machine; return the figures and the outcome."""
    path = config.with_name(f"{config.stem}.{len(how)}.toml")
    path.write_text(config.read_text().replace("devices = 1", how if "devices" in how else f"devices = 1\n{how}"))
    done = command("epigept-export", "train", path, "--out", folder / "out", "--threads", "1")
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines()), done


@pytest.mark.parametrize("how", HOW)
def test_training_on_contacts_in_reduced_precision_and_on_several_devices(command, simulated, tmp_path, how):
    figures, _ = trained_how(command, simulated / "contacts1.2.toml", how, tmp_path)
    assert 0 < float(figures["val_contact_similarity"]) < 1
    loss = float(figures["val_signal_loss"]) - 2 * float(figures["val_contact_similarity"])
    assert float(figures["val_loss"]) == pytest.approx(loss, abs=2e-4)


def test_the_processes_that_read_data_are_spawned(simulated, tmp_path):
    """A fork of a process whose libraries run threads can hang."""
    from epigept_export.training.config import FitConfig, read_config
    from epigept_export.training.data import WindowDataset, read_data
    from epigept_export.training.run import loader

    data = read_data(read_config(simulated / "contacts1.2.toml"), tmp_path, threads=1, say=lambda _: None)
    dataset = WindowDataset(data, range(5), [0, 3])
    assert data.signal.array.tobytes() not in pickle.dumps(dataset)  # files are sent by name
    assert loader(dataset, FitConfig(), cells=None, shuffle=False).num_workers == 0
    read = loader(dataset, FitConfig(windows=2, workers=1), cells=None, shuffle=False)
    assert read.multiprocessing_context.get_start_method() == "spawn"
    assert read.persistent_workers
    batches = list(read)
    assert [len(batch.tokens) for batch in batches] == [2, 2, 1]
    for number, batch in enumerate(batches):
        first = dataset[2 * number]
        for name in ("tokens", "motif_scores", "signal"):
            assert torch.equal(getattr(batch, name)[0].nan_to_num(-1), getattr(first, name).nan_to_num(-1))
        assert batch.contacts is not None


def test_windows_without_bases_and_cells_without_tracks_are_left_out(command, simulated, tmp_path):
    folder = tmp_path / "sim"
    shutil.copytree(simulated, folder, ignore=shutil.ignore_patterns("out", "contacts*", "*.scores"))
    fasta = folder / "genome.fa"
    head, *lines = fasta.read_text().splitlines()
    for number in range(-(-8192 // len(lines[0]))):  # at least the first window of 64 bins
        lines[number] = "N" * len(lines[number])
    fasta.write_text("\n".join([head, *lines]) + "\n")
    for path in (*folder.glob("*.fai"), *(folder / "signal").glob("cell2.*")):
        path.unlink()
    config = folder / "tiny1.toml"
    done = command("epigept-export", "train", config, "--out", tmp_path / "out", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "1 of 5 cells have no track, so they count only in the expression reference" in done.stderr
    assert "4 windows × 2 cells to train on, 5 × 1 held out" in done.stderr
    assert (tmp_path / "out/expression_reference.tsv").read_text().split("\n")[0].split("\t")[1:] == [
        "cell1",
        "cell2",
        "cell3",
    ]


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


@pytest.mark.parametrize("how", HOW)
def test_training_in_reduced_precision_and_on_several_devices(command, simulated, tmp_path, how):
    figures, done = trained_how(command, simulated / "tiny1.toml", how, tmp_path)
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
        ('["cell4"]', '["cell4", "cell1", "cell2", "cell3"]', "split leaves no cell to train on"),
        ("{cell}.{track}.bw", "{cell}.{track}.bigwig", "data.signals: no cell has a file, such as"),
        ("[split]", 'contacts = "absent/{cell}.cool"\n\n[split]', "data.contacts: no cell to train on has a file"),
        (
            "[split]",
            'contacts = "signal/{cell}.CTCF.bw"\n\n[split]',
            "cell1.CTCF.bw: BEDPE file cannot be read: not a text file",
        ),
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
