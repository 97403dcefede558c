import os
import pickle
import zipfile

import pytest
import torch

from epigept_batch.errors import ModelError
from epigept_export.checkpoint import check_keys, read_state_dict


def test_a_lightning_checkpoint_keyed_by_classes_that_are_not_here(make_checkpoint):
    state = read_state_dict(make_checkpoint("hg38"))
    assert len(state) == 214
    assert state["fc2.weight"].shape == (8, 128)
    assert state["fc2.weight"].dtype == torch.float32


def test_a_bare_state_dict(small_checkpoint, small_state):
    state = read_state_dict(small_checkpoint)
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
    with pytest.raises(ModelError, match="holds no weights"):
        read_state_dict(path)
    assert not (tmp_path / "trace").exists()


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as stream:
        for name, content in members.items():
            stream.writestr(f"archive/{name.replace('__', '.')}", content)


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
        }[kind]
        path.write_bytes(new)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "is empty; give what torch.save wrote"),
        ("text", "is not a checkpoint; give what torch.save wrote"),
        ("truncated", "is not a checkpoint; give what torch.save wrote"),
        ("bare pickle", "is not a checkpoint; give what torch.save wrote"),
        ("no pickle", "is a damaged checkpoint"),
        ("not a pickle", "is a damaged checkpoint"),
        ("overwritten", "is a damaged checkpoint"),
        ("TorchScript", "is a TorchScript archive; give a checkpoint"),
    ],
)
def test_damage_is_said_in_one_line(tmp_path, small_checkpoint, kind, message):
    path = damaged(tmp_path, small_checkpoint, kind)
    with pytest.raises(ModelError) as caught:
        read_state_dict(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(ModelError, match="checkpoint cannot be read: No such file or directory"):
        read_state_dict(tmp_path / "absent.ckpt")


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {}, {"state_dict": {"a": 1}}])
def test_what_holds_no_weights_is_said(tmp_path, content):
    path = tmp_path / "none.ckpt"
    torch.save(content, path)
    with pytest.raises(ModelError, match="holds no weights"):
        read_state_dict(path)


def test_missing_and_misshapen_keys_are_named(tmp_path, small_state):
    path = tmp_path / "x.ckpt"
    check_keys(small_state, small_state, path)
    less = {key: value for key, value in small_state.items() if "fc1" not in key}
    with pytest.raises(ModelError, match=r"x.ckpt: lacks fc1.weight and 1 more"):
        check_keys(less, small_state, path)
    with pytest.raises(ModelError, match=r"fc2.bias has shape \(9,\) instead of \(3,\)"):
        check_keys({**small_state, "fc2.bias": torch.zeros(9)}, small_state, path)
