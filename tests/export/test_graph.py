import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from epigept_batch.errors import ModelError
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import Device, open_session
from epigept_export.graph import export_graph, operator_counts
from epigept_export.model import EpiGePT
from small import SMALL, predict, random_inputs
from tolerances import NETWORK_FP32, NETWORK_TORCH


def attention_nodes(model):
    return [node for node in model.graph.node if node.op_type == "Attention"]


def head_sizes(model):
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in attention_nodes(model):
        (heads,) = (attribute.i for attribute in node.attribute if attribute.name == "num_heads")
        yield shapes[node.input[1]][1] // 3 / heads


@pytest.fixture(scope="module")
def hg38(hg38_bare_model):
    return onnx.load(hg38_bare_model)


def test_the_model_file_has_twelve_fused_attentions_of_head_size_128(hg38):
    assert operator_counts(hg38)["com.microsoft::Attention"] == 12
    assert list(head_sizes(hg38)) == [128] * 12
    assert all({a.name for a in node.attribute} == {"num_heads"} for node in attention_nodes(hg38))


def test_the_runtime_fuses_the_rest_by_itself(hg38_bare_model, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(hg38_bare_model, options, providers=["CPUExecutionProvider"])
    counts = operator_counts(onnx.load(tmp_path / "optimised.onnx"))
    assert counts["com.microsoft::Attention"] == 12
    assert counts["com.microsoft::SkipLayerNormalization"] == 24
    assert counts["com.microsoft::BiasGelu"] == 12


def test_inputs_and_output_are_those_of_the_contract(hg38_bare_model):
    session = onnxruntime.InferenceSession(hg38_bare_model, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("tokens", "tensor(uint8)", ["windows", 128_000]),
        ("motif_scores", "tensor(float16)", ["windows", 711, 1000]),
        ("expression", "tensor(float)", ["samples", 711]),
    ]
    (output,) = session.get_outputs()
    assert (output.name, output.type, output.shape) == (
        "signal",
        "tensor(float)",
        ["windows", "samples", 1000, 8],
    )


def test_the_model_file_is_the_published_network(hg38_bare_model, synthetic):
    session = open_session(hg38_bare_model, Device("cpu"), threads=2, say=pytest.fail)
    with np.load(synthetic / "network_hg38.npz") as golden:
        found = session.run(golden["tokens"], golden["motif_scores"], golden["expression"])
        assert np.abs(found - golden["signal"]).max() <= NETWORK_FP32


def test_the_small_model_file_is_the_network_for_any_windows_and_samples(small_model, small_state):
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(small_state)
    session = open_session(small_model, Device("cpu"), threads=1, say=pytest.fail)
    for windows, samples in ((1, 1), (1, 3), (4, 1), (3, 2)):
        inputs = random_inputs(SMALL, windows, samples)
        found = session.run(**inputs)
        assert np.abs(found - predict(network, inputs)).max() <= NETWORK_TORCH


def test_the_spec_says_what_the_file_is(hg38_model, shared):
    spec = read_spec(hg38_model)
    assert spec.architecture == "hg38"
    assert spec.tracks[:2] == ("DNase", "CTCF")
    assert spec.factors == tuple((shared / "motifs/tf_list_711.txt").read_text().split())
    assert len(spec.motif_set.motifs) == 1316
    assert spec.reference.matrix.shape == (711, 4)
    assert spec.precision == "fp32"
    assert spec.space == "log1p"
    assert sum(last - first for runs in spec.training_windows.values() for first, last in runs) == 15_870
    assert set(spec.versions) == {"epigept-batch", "torch", "onnx"}


def test_nothing_of_the_exporting_machine_is_in_the_file(small_model):
    content = small_model.read_bytes()
    for word in (b".py", b"site-packages", b"Traceback", b"/home", b"/tmp"):
        assert word not in content


def test_the_spec_is_plain_json(small_model):
    (entry,) = onnx.load(small_model).metadata_props
    document = json.loads(entry.value)
    assert document["format_version"] == 1
    assert document["motif_set"]["window"] == [-37, 164]


def test_a_graph_without_its_fused_operators_is_refused(small_state, monkeypatch):
    network = EpiGePT(SMALL)
    network.load_state_dict(small_state)
    monkeypatch.setattr(EpiGePT, "fuse_attention", lambda _: None)
    with pytest.raises(ModelError, match="has 0 fused attention operators instead of 2"), torch.no_grad():
        export_graph(network)
