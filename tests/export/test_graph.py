import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import tolerances
from epigept_batch.errors import InputError, ModelError
from epigept_batch.inference.check import LIMITS
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import open_session
from epigept_export.convert import convert
from epigept_export.graph import export_graph, operator_counts
from epigept_export.model import EpiGePT
from epigept_export.precision import KEPT_FP32, make_form
from small import SMALL, predict, random_inputs
from tolerances import NETWORK_FP32, NETWORK_TORCH

OPENVINO = "OpenVINOExecutionProvider"


def attention_nodes(model):
    return [node for node in model.graph.node if node.op_type == "Attention"]


def head_sizes(model):
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in attention_nodes(model):
        (heads,) = (attribute.i for attribute in node.attribute if attribute.name == "num_heads")
        yield shapes[node.input[1]][1] // 3 / heads


def synthetic_error(path, architecture, synthetic):
    """Largest error against the published code on generated inputs."""
    session = open_session(path, CPU, precision=read_spec(path).precision, threads=2, say=pytest.fail)
    with np.load(synthetic / f"network_{architecture.replace('-', '_')}.npz") as golden:
        found = session.signal(Inputs.of(**{name: golden[name] for name in ("tokens", "motif_scores", "expression")}))
        return np.abs(found - golden["signal"]).max()


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        ("hg38", 12),
        ("dnase", 16),
        pytest.param("hg19", 12, marks=pytest.mark.published),
        pytest.param("hg19-pretrain", 12, marks=pytest.mark.published),
    ],
)
def test_each_model_file_is_the_published_network_in_fused_operators(make_bare_model, synthetic, architecture, layers):
    path = make_bare_model(architecture, "--precision", "fp32")
    counts = operator_counts(onnx.load(path))
    assert {name: count for name, count in counts.items() if "::" in name} == {
        "com.microsoft::Attention": layers,
        "com.microsoft::SkipLayerNormalization": 2 * layers,
        "com.microsoft::BiasGelu": layers,
    }
    assert read_spec(path).architecture == architecture
    assert synthetic_error(path, architecture, synthetic) <= NETWORK_FP32


def test_heads_are_padded_to_128_and_the_operator_has_its_own_scale(make_bare_model):
    model = onnx.load(make_bare_model("hg38", "--precision", "fp32"))
    assert list(head_sizes(model)) == [128] * 12
    assert all({a.name for a in node.attribute} == {"num_heads"} for node in attention_nodes(model))


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_plain_attention_has_standard_operators_only(make_small_model, precision):
    model = onnx.load(make_small_model(precision, "plain"))
    assert not [name for name in operator_counts(model) if "::" in name]
    assert {domain.domain for domain in model.opset_import} == {""}
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.published
def test_the_plain_file_of_the_published_size_is_the_published_network(make_bare_model, synthetic):
    path = make_bare_model("hg38", "--precision", "fp32", "--attention", "plain")
    assert not [name for name in operator_counts(onnx.load(path)) if "::" in name]
    assert read_spec(path).attention == "plain"
    assert synthetic_error(path, "hg38", synthetic) <= NETWORK_FP32


def test_what_the_half_precision_file_keeps_in_float32(make_small_model):
    """Weights of the layers are float16; all that `KEPT_FP32` names is float32."""
    weights = onnx.load(make_small_model("fp16")).graph.initializer
    half = [tensor.name for tensor in weights if tensor.data_type == onnx.TensorProto.FLOAT16]
    single = [tensor.name for tensor in weights if tensor.data_type == onnx.TensorProto.FLOAT]
    matrices = [tensor.name for tensor in weights if len(tensor.dims) == 2 and tensor.name in half]
    assert len(matrices) == 4 * SMALL.layers
    assert all(".layer." in name for name in half)
    assert not [name for name in single if ".layer." in name]
    for part in ("convmodule", "LayerNorm", "fc1", "fc2"):
        assert any(part in name for name in single)
    assert set(KEPT_FP32) == {"factor features", "convolutions", "embeddings and their LayerNorm", "output layers"}


def test_integer_layers_count(make_small_model):
    counts = operator_counts(onnx.load(make_small_model("int8")))
    assert counts["com.microsoft::MatMulIntegerToFloat"] == 7 * SMALL.layers
    assert counts["com.microsoft::MultiHeadAttention"] == SMALL.layers
    assert counts["DynamicQuantizeLinear"] == 5 * SMALL.layers


def test_integers_have_no_plain_form():
    network = EpiGePT(SMALL)
    with pytest.raises(InputError, match="--attention plain: int8 requires fused operators"):
        make_form(network, precision="int8", attention="plain")


@pytest.mark.parametrize("attention", ["fused", "plain"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_file_is_the_network_for_any_windows_and_samples(make_small_model, small_state, precision, attention):
    if (precision, attention) == ("int8", "plain"):
        pytest.skip("there is no such form")
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(small_state)
    session = open_session(make_small_model(precision, attention), CPU, precision=precision, threads=1, say=pytest.fail)
    tolerance = {"fp32": NETWORK_TORCH, "fp16": tolerances.SMALL_FP16, "int8": tolerances.SMALL_INT8}[precision]
    for windows, samples in ((1, 1), (1, 3), (4, 1), (3, 2)):
        inputs = random_inputs(SMALL, windows, samples)
        found = session.signal(Inputs.of(**inputs))
        assert np.abs(found - predict(network, inputs)).max() <= tolerance


@pytest.mark.skipif(OPENVINO not in onnxruntime.get_available_providers(), reason="needs onnxruntime-openvino")
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_the_fused_file_runs_whole_in_openvino(make_bare_model, synthetic, precision):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    path = make_bare_model("hg38", "--precision", precision)
    session = onnxruntime.InferenceSession(path, options, providers=[OPENVINO])
    with np.load(synthetic / "network_hg38.npz") as golden:
        feed = {name: golden[name] for name in ("tokens", "motif_scores", "expression")}
        assert np.abs(session.run(None, feed)[0] - golden["signal"]).max() <= LIMITS[precision].error


def test_inputs_and_output_are_those_of_the_contract(make_bare_model):
    session = onnxruntime.InferenceSession(
        make_bare_model("hg38", "--precision", "fp32"), providers=["CPUExecutionProvider"]
    )
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


def test_the_spec_says_what_the_file_is(make_hg38_model, shared):
    spec = read_spec(make_hg38_model("fp32"))
    assert spec.architecture == "hg38"
    assert spec.tracks[:2] == ("DNase", "CTCF")
    assert spec.factors == tuple((shared / "motifs/tf_list_711.txt").read_text().split())
    assert len(spec.motif_set.motifs) == 1316
    assert spec.reference.matrix.shape == (711, 4)
    assert (spec.precision, spec.attention, spec.space) == ("fp32", "fused", "log1p")
    assert sum(last - first for runs in spec.training_windows.values() for first, last in runs) == 15_870
    assert set(spec.versions) == {"epigept-batch", "torch", "onnx", "onnxscript"}
    assert spec.check.signal.shape == (4, 2, 16, 8)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_same_checkpoint_gives_the_same_bytes(make_small_model, small_request, tmp_path, precision):
    again = tmp_path / "again.onnx"
    convert(replace(small_request, output=again, precision=precision, verify=False, threads=2), say=pytest.fail)
    assert again.read_bytes() == make_small_model(precision).read_bytes()


def test_nothing_of_the_exporting_machine_is_in_the_file(make_small_model):
    for precision in ("fp32", "fp16", "int8"):
        content = make_small_model(precision).read_bytes()
        for word in (b".py", b"site-packages", b"Traceback", b"/home", b"/tmp"):
            assert word not in content


def test_the_spec_is_plain_json(small_model):
    (entry,) = onnx.load(small_model).metadata_props
    document = json.loads(entry.value)
    assert document["format_version"] == 1
    assert document["motif_set"]["window"] == [-37, 164]


def test_a_graph_without_its_fused_operators_is_refused(small_state):
    plain, fused = EpiGePT(SMALL), EpiGePT(SMALL)
    for network in (plain, fused):
        network.load_state_dict(small_state)
    with torch.no_grad():
        with pytest.raises(ModelError, match="contains com.microsoft::Attention 0 times instead of 2"):
            export_graph(plain, {"com.microsoft::Attention": 2})
        make_form(fused, precision="fp32", attention="fused")
        with pytest.raises(ModelError, match=r"contains com.microsoft::\w+ [24] times instead of 0"):
            export_graph(fused, {})
