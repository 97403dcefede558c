import gzip
import os
import pickle
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner

from epigept_batch.errors import ModelError
from epigept_export.checkpoint import read_state_dict
from epigept_export.cli import cli


def test_a_lightning_checkpoint_keyed_by_classes_that_are_not_here(make_checkpoint):
    state = read_state_dict(make_checkpoint("hg38"))
    assert len(state) == 214
    assert state["fc2.weight"].shape == (8, 128)
    assert state["fc2.weight"].dtype == torch.float32


def test_a_bare_state_dict(small_checkpoint, small_state):
    state = read_state_dict(small_checkpoint)
    assert set(state) == set(small_state)
    assert all(torch.equal(state[key], small_state[key]) for key in state)


@pytest.mark.parametrize("wrapper", ["module.", "model.", "_orig_mod.", "module.model.", "model._orig_mod."])
def test_what_wrappers_put_before_names_is_taken_off(tmp_path, small_state, wrapper):
    path = tmp_path / "x.ckpt"
    torch.save({"state_dict": {wrapper + key: value for key, value in small_state.items()}}, path)
    assert set(read_state_dict(path)) == set(small_state)


def test_a_prefix_that_only_some_names_have_is_left(tmp_path, small_state):
    path = tmp_path / "x.ckpt"
    torch.save({"model.loss": torch.zeros(1), **small_state}, path)
    assert set(read_state_dict(path)) == {"model.loss", *small_state}


def test_safetensors_whatever_their_name(tmp_path, small_state):
    path = tmp_path / "weights.bin"
    safetensors.torch.save_file(small_state, path)
    state = read_state_dict(path)
    assert set(state) == set(small_state)
    assert all(torch.equal(state[key], small_state[key]) for key in state)


def test_a_checkpoint_as_lightning_writes_it_today(tmp_path, small_state):
    """Loops, string keys of callbacks, hyper-parameters of the user's own types, a state dict with its metadata."""
    path = tmp_path / "today.ckpt"
    module = torch.nn.Module()
    for key, value in small_state.items():
        parent = module
        *parts, name = key.split(".")
        for part in parts:
            if not hasattr(parent, part):
                parent.add_module(part, torch.nn.Module())
            parent = getattr(parent, part)
        parent.register_parameter(name, torch.nn.Parameter(value))
    document = {
        "epoch": 3,
        "global_step": 4000,
        "pytorch-lightning_version": "2.5.1",
        "state_dict": module.state_dict(keep_vars=True),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None, 'mode': 'min'}": {"best_model_score": torch.tensor(0.3)}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(5.0), "exp_avg": torch.zeros(3)}}}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {
            "rate": np.float64(0.1),
            "folder": Path("/data"),
            "type": torch.float16,
            "of": Fraction(1, 2),
        },
    }
    torch.save(document, path)
    assert hasattr(document["state_dict"], "_metadata")
    state = read_state_dict(path)
    assert set(state) == set(small_state)
    assert all(torch.equal(state[key], small_state[key]) for key in state)


class Trap:
    """Pickled as a call of a function of the reader's system."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function",
    [os.system, os.mkdir, eval, exec, torch.save, torch.hub.load, torch.load, pickle.loads],
    ids=lambda f: f"{f.__module__}.{f.__qualname__}",
)
def test_nothing_that_a_checkpoint_says_is_run(tmp_path, small_state, function):
    trace = tmp_path / "trace"
    argument = {
        os.system: f"touch {trace}",
        eval: f"open({str(trace)!r}, 'w')",
        exec: f"open({str(trace)!r}, 'w')",
        torch.save: [1],
    }.get(function, str(trace))
    arguments = (argument, str(trace)) if function is torch.save else (argument,)
    path = tmp_path / "trap.ckpt"
    torch.save({"state_dict": small_state, "callbacks": {"x": Trap((function, arguments))}}, path)
    assert set(read_state_dict(path)) == set(small_state)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trap.ckpt"]


def test_a_checkpoint_whose_weights_are_such_calls_holds_no_weights(tmp_path):
    path = tmp_path / "trap.ckpt"
    torch.save({"state_dict": Trap((os.mkdir, (str(tmp_path / "trace"),)))}, path)
    with pytest.raises(ModelError, match="contains no weights; use a"):
        read_state_dict(path)
    assert not (tmp_path / "trace").exists()


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as stream:
        for name, content in members.items():
            stream.writestr(f"archive/{name.replace('__', '.')}", content)


def zip_of_text(folder):
    with zipfile.ZipFile(folder / "text.zip", "w") as stream:
        stream.writestr("notes.txt", "no pickle")
    return (folder / "text.zip").read_bytes()


def shortened(checkpoint, folder):
    """The archive with half of every storage, its pickle whole."""
    path = folder / "short.zip"
    with zipfile.ZipFile(checkpoint) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[: len(content) // 2] if "/data/" in name else content)
    return path.read_bytes()


def safetensors_bytes(folder):
    safetensors.torch.save_file({"a": torch.ones(4)}, folder / "a.safetensors")
    return (folder / "a.safetensors").read_bytes()


def damaged(tmp_path, small_checkpoint, kind):
    path = tmp_path / "bad.ckpt"
    content = small_checkpoint.read_bytes()
    if kind == "no pickle":
        archive(path, version="3")
    elif kind == "not a pickle":
        archive(path, data__pkl=b"nonsense", version=b"3")
    elif kind == "TorchScript":
        archive(path, constants__pkl=b"", data__pkl=b"")
    else:
        new = {
            "empty": b"",
            "text": b"weights\n",
            "truncated": content[: len(content) // 2],
            "overwritten": content.replace(b"ctorch._utils\n", b"\xfftorch._utils\n"),
            "bare pickle": pickle.dumps({"state_dict": {}}),
            "zeros": bytes(1000),
            "other zip": zip_of_text(tmp_path),
            "short storage": shortened(small_checkpoint, tmp_path),
            "cut safetensors": safetensors_bytes(tmp_path)[:-7],
            "safetensors of text": (20).to_bytes(8, "little") + b"{ this is no JSON }}" + bytes(8),
            "gzip": gzip.compress(content[:1000]),
        }[kind]
        path.write_bytes(new)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "empty file; use a file that torch.save wrote"),
        ("text", "not a checkpoint, or truncated; use a file that torch.save wrote"),
        ("truncated", "not a checkpoint, or truncated; use a file that torch.save wrote"),
        ("bare pickle", "not a checkpoint, or truncated; use a file that torch.save wrote"),
        ("no pickle", "damaged checkpoint"),
        ("not a pickle", "damaged checkpoint"),
        ("overwritten", "damaged checkpoint"),
        ("TorchScript", "a TorchScript archive, not a checkpoint; use a file that torch.save wrote"),
        (
            "zeros",
            "not a checkpoint, or truncated; use a file that torch.save wrote (torch 1.6 or later), or safetensors",
        ),
        ("other zip", "damaged checkpoint"),
        ("short storage", "damaged checkpoint"),
        ("cut safetensors", "damaged checkpoint"),
        ("safetensors of text", "damaged checkpoint"),
        ("gzip", "not a checkpoint, or truncated; use a file"),
    ],
)
def test_damage_is_said_in_one_line(tmp_path, small_checkpoint, synthetic, kind, message):
    path = damaged(tmp_path, small_checkpoint, kind)
    before = sorted(tmp_path.iterdir())
    motifs = ["--motifs", synthetic / "synthetic.motifs", "--motif-factors", synthetic / "synthetic.factors.tsv"]
    words = ["convert", path, *motifs, "--output", tmp_path / "model.onnx"]
    result = CliRunner().invoke(cli, list(map(str, words)), prog_name="epigept-export")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"epigept-export: {path}: {message}")
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(ModelError, match="checkpoint cannot be read: No such file or directory"):
        read_state_dict(tmp_path / "absent.ckpt")


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {}, {"state_dict": {"a": 1}}])
def test_what_holds_no_weights_is_said(tmp_path, content):
    path = tmp_path / "none.ckpt"
    torch.save(content, path)
    with pytest.raises(ModelError, match="contains no weights; use a"):
        read_state_dict(path)
