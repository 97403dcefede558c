import json

import pytest
from click.testing import CliRunner

from epigept_batch.cli.main import cli
from epigept_batch.inference.model_file import file_sha256


def info(*arguments):
    return CliRunner().invoke(cli, ["info", *map(str, arguments)], prog_name="epigept-batch")


def test_the_table_says_what_a_file_is(small_model):
    rows = dict(line.split("  ", 1) for line in info(small_model).stdout.splitlines())
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["file"].startswith(f"{small_model}, ")
    assert rows["file"].endswith(f"MB, sha256 {file_sha256(small_model)}")
    assert rows["window"] == "2,560 bp: 20 bins of 128 bp"
    assert rows["trained on"] == "unpublished windows"
    assert rows["tracks"] == "DNase, CTCF, H3K27ac"
    assert rows["factors"] == "15: F00, F01, F02, …, F14"
    assert rows["motifs"] == "40, counted for a bin from -37 to +164 bp of its start"
    assert rows["expression reference"] == "cells, 4: a, b, c, d"
    assert (rows["precision"], rows["attention"], rows["output"]) == ("fp32", "fused", "ln(1 + signal)")


def test_without_a_file_it_is_the_one_that_was_installed(small_model, home):
    done = info()
    assert done.exit_code == 2
    said = f"no MODEL given and {home}/model.onnx does not exist; run `epigept-batch setup`, or pass MODEL"
    assert done.stderr == f"epigept-batch: {said}\n"
    (home / "model.onnx").symlink_to(small_model)
    assert info().stdout.splitlines()[1:] == info(small_model).stdout.splitlines()[1:]


def test_json_has_all_names(make_small_model):
    path = make_small_model("fp16", "plain")
    document = json.loads(info(path, "--json").stdout)
    assert document["factors"] == [f"F{number:02d}" for number in range(15)]
    assert document["bytes"] == path.stat().st_size
    assert (document["precision"], document["attention"]) == ("fp16", "plain")
    assert document["expression_reference"] == {"cells": ["a", "b", "c", "d"]}
    assert document["motif_set"]["window"] == [-37, 164]
    assert document["check"] == {"seed": 711, "shape": [4, 2, 16, 3]}
    assert len(document["checkpoint_sha256"]) == 64
    assert set(document["versions"]) == {"epigept-batch", "torch", "onnx", "onnxscript"}


def test_a_published_network_without_reference(make_bare_model):
    out = info(make_bare_model("dnase", "--precision", "fp32")).stdout
    assert "expression reference  none: tables must be --normalised\n" in out
    assert (
        "trained on            unpublished windows of joined open bins; on contiguous sequence the network extrapolates"
        in out
    )
    assert "window                10,000 bp: 50 bins of 200 bp\n" in out
    assert "motifs                711, counted for a bin from -400 to +600 bp of its start\n" in out


@pytest.mark.parametrize(("name", "message"), [("absent.onnx", "cannot be read"), ("text.onnx", "not an ONNX model")])
def test_what_is_no_model_file_is_said(tmp_path, name, message):
    (tmp_path / "text.onnx").write_text("no model\n")
    result = info(tmp_path / name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"epigept-batch: {tmp_path / name}: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
