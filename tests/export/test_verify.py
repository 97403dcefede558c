from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from epigept_batch.errors import ModelError
from epigept_batch.inference.check import LIMITS, check_bins, check_inputs
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import open_session
from epigept_export import convert as module
from epigept_export.architectures import ARCHITECTURES
from epigept_export.convert import convert
from epigept_export.verify import VerificationError, verify
from small import SMALL
from tolerances import NETWORK_TORCH

HG38 = ARCHITECTURES["hg38"]
MISS = r"x.onnx: differs from the checkpoint's network by .*: {} is off by 0.002 \(at most {}\) with r 1.000000 \(at"


def run(model, checkpoint, say=pytest.fail):
    return verify(model, checkpoint, CPU, threads=1, say=say, architecture=SMALL)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_model_file_is_its_checkpoints_network(make_small_model, small_checkpoint, precision):
    verification = run(make_small_model(precision), small_checkpoint)
    assert [figures.name for figures in verification.tracks] == list(SMALL.tracks)
    assert verification.limit == LIMITS[precision]
    assert verification.missed == []
    assert all(0 < figures.error <= LIMITS[precision].error for figures in verification.tracks)


def test_a_network_that_differs_a_little_is_found(make_small_model, small_state, tmp_path):
    """One track's bias is off by twice what fp32 may err."""
    other = {**small_state, "fc2.bias": small_state["fc2.bias"] + torch.tensor([0, 2e-3, 0])}
    torch.save(other, tmp_path / "other.ckpt")
    said = []
    verification = run(make_small_model("fp32"), tmp_path / "other.ckpt", said.append)
    assert [figures.name for figures in verification.missed] == ["CTCF"]
    assert said == [f"{tmp_path}/other.ckpt is not the file that the model was made from; comparing anyway"]
    with pytest.raises(VerificationError, match=MISS.format("CTCF", 0.001)) as e:
        verification.check(tmp_path / "x.onnx", advice="do it again")
    assert e.value.exit_code == 1


def test_a_checkpoint_of_another_network_is_said(make_small_model, make_checkpoint):
    said = "not the model file's network: 128,000 bp, 711 factors and 8 tracks instead of 2,560 bp, 15 factors"
    with pytest.raises(ModelError, match=said):
        verify(make_small_model("fp32"), make_checkpoint("hg38"), CPU, threads=1, say=lambda _: None, architecture=HG38)


def test_the_table_has_figures_beside_limits(make_small_model, small_checkpoint):
    lines = run(make_small_model("fp16"), small_checkpoint).table().splitlines()
    assert [line.split()[0] for line in lines] == ["max", "DNase", "CTCF", "H3K27ac", "limit"]
    assert lines[-1].split() == ["limit", "1.00e-02", "0.9999000"]
    assert len({len(line) for line in lines}) == 1


def test_a_file_that_misses_gets_no_name(small_request, tmp_path, monkeypatch):
    """As if the export had damaged a weight: the file is written, found wanting, and gone."""
    honest = module.export_graph

    def damaged(*arguments):
        model = honest(*arguments)
        (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "fc2.bias")
        values = onnx.numpy_helper.to_array(bias) + np.float32(0.2)
        bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
        return model

    monkeypatch.setattr(module, "export_graph", damaged)
    output = tmp_path / "model.onnx"
    for precision in LIMITS:
        with pytest.raises(VerificationError, match=r"DNase is off by 0.2.* so are CTCF, H3K27ac; convert with"):
            convert(replace(small_request, output=output, precision=precision), say=pytest.fail)
    assert list(tmp_path.iterdir()) == []
    _, verification = convert(replace(small_request, output=output, verify=False), say=pytest.fail)
    assert verification is None
    assert [figures.name for figures in run(output, small_request.checkpoint).missed] == list(SMALL.tracks)


def test_the_files_own_check_is_the_original_networks_signal(small_model):
    spec = read_spec(small_model)
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    session = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    found = session.signal(inputs)[:, :, check_bins(spec.geometry)]
    assert found.shape == spec.check.signal.shape == (4, 2, 16, 3)
    assert np.abs(found - spec.check.signal).max() <= NETWORK_TORCH
    assert spec.check.signal.std() > 0.1


def test_a_file_of_an_architecture_that_is_not_known_is_said(small_model, small_checkpoint, tmp_path):
    model = onnx.load(small_model)
    (entry,) = model.metadata_props
    entry.value = entry.value.replace('"architecture":"hg38"', '"architecture":"hg99"')
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(ModelError, match="x.onnx: architecture 'hg99' is not supported by this version"):
        verify(tmp_path / "x.onnx", small_checkpoint, CPU, threads=1, say=pytest.fail)
