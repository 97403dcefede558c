import numpy as np
import onnx
import onnxruntime
import pytest

import tolerances
from epigept_batch.inference.cpu_form import UNWANTED_FUSION, read_cpu_form
from small import SMALL, random_inputs


def run(model, inputs, **options):
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, quiet, providers=["CPUExecutionProvider"], **options)
    return session.run(None, inputs)[0]


@pytest.fixture(scope="module")
def inputs():
    return random_inputs(SMALL, windows=2, samples=3)


@pytest.mark.parametrize("attention", ["fused", "plain"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_it_is_the_same_function(make_small_model, inputs, precision, attention):
    path = make_small_model(precision, attention)
    tolerance = tolerances.CPU_FORM if precision == "fp32" else tolerances.SMALL_FP16
    as_it_is = run(path, inputs)
    found = run(read_cpu_form(path), inputs, disabled_optimizers=[UNWANTED_FUSION])
    assert np.abs(found - as_it_is).max() <= tolerance


@pytest.mark.parametrize("attention", ["fused", "plain"])
def test_half_precision_becomes_single_but_for_the_rounding_of_features(make_small_model, attention):
    path = make_small_model("fp16", attention)
    model = onnx.load_model_from_string(read_cpu_form(path))
    onnx.checker.check_model(model)
    half = onnx.TensorProto.FLOAT16
    assert not [tensor.name for tensor in model.graph.initializer if tensor.data_type == half]
    casts = [node for node in model.graph.node if node.op_type == "Cast" and node.attribute[0].i == half]
    assert len(casts) == 1
    (after,) = (node for node in model.graph.node if casts[0].output[0] in node.input)
    assert after.op_type == "Cast"
    assert [tensor.type.tensor_type.elem_type for tensor in model.graph.input][1] == half


def test_no_slow_operator_is_left_or_made(make_small_model, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(
        read_cpu_form(make_small_model("fp16")),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[UNWANTED_FUSION],
    )
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert "SkipLayerNormalization" not in kinds
    assert kinds.count("LayerNormalization") == 1 + 2 * SMALL.layers
    assert kinds.count("Attention") == SMALL.layers
    assert kinds.count("BiasGelu") == SMALL.layers
    assert kinds.count("Cast") == 5  # of tokens, bases, scores, and the rounding of features there and back
