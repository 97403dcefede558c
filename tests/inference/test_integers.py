"""An int8 file gives the same on processors whose products of uint8 by int8 overflow and on those that have VNNI."""

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from epigept_batch.inference import host
from epigept_batch.inference.device import CPU
from epigept_batch.inference.integers import loses_carries, read_unsigned_form
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import open_session
from small import SMALL, random_inputs
from tolerances import SAME


class Overflowing:
    """A runtime whose products come out as 16-bit sums do."""

    def __init__(self, answer):
        self.InferenceSession = lambda *_, **__: SimpleNamespace(run=lambda *_: [np.full((64, 64), answer, np.float32)])


@pytest.mark.parametrize(("answer", "loses"), [(64 * 255 * 127, False), (32 * 32_767, True)])
def test_a_processor_is_asked_by_a_product(answer, loses):
    assert loses_carries(Overflowing(answer)) is loses


@pytest.fixture(scope="session")
def unsigned(make_small_model):
    return onnx.load_from_string(read_unsigned_form(make_small_model("int8")))


def test_every_weight_is_shifted_with_its_zero_point(make_small_model, unsigned):
    arrays = [
        {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in (onnx.load(make_small_model("int8")), unsigned)
    ]
    products = [node for node in unsigned.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 7 * SMALL.layers
    for node in products:
        signed, shifted = (of[node.input[1]].astype(int) for of in arrays)
        assert arrays[1][node.input[1]].dtype == np.uint8
        np.testing.assert_array_equal(shifted - int(arrays[1][node.input[5]]), signed)
        assert np.abs(signed).max() == 127


def test_both_forms_give_the_same(make_small_model, monkeypatch):
    inputs = random_inputs(SMALL, windows=1, samples=1)
    found = {}
    for loses in (True, False):
        monkeypatch.setattr(host, "loses_carries", lambda _, loses=loses: loses)
        session = open_session(make_small_model("int8"), CPU, precision="int8", threads=1, say=pytest.fail)
        found[loses] = session.signal(Inputs.of(**inputs))
    if loses_carries(onnxruntime):
        assert np.abs(found[True] - found[False]).max() > SAME  # what is lost where nothing is done
    else:
        np.testing.assert_allclose(found[True], found[False], rtol=SAME, atol=SAME)


def test_the_form_is_exact_whatever_the_values(tmp_path):
    """Two products by one weight, of which one adds a row, against numpy in 64 bits."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (30, 200)).astype(np.uint8)
    weight = rng.integers(-128, 128, (200, 40)).astype(np.int8)
    x[0], weight[:, 0], weight[:, 1] = 255, 127, -128
    scales, row = rng.random(40, dtype=np.float32), rng.random(40, dtype=np.float32)
    constants = {"w": weight, "one": np.float32(1), "scales": scales, "seven": np.uint8(7), "row": row}
    names = ["x", "w", "one", "scales", "seven"]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("MatMulIntegerToFloat", names, ["y"], domain="com.microsoft"),
            onnx.helper.make_node("MatMulIntegerToFloat", [*names, "", "row"], ["z"], domain="com.microsoft"),
        ],
        "products",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, x.shape)],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (30, 40)) for name in "yz"],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "products.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    session = onnxruntime.InferenceSession(read_unsigned_form(path, ("y", "z")), providers=["CPUExecutionProvider"])
    expected = (x.astype(np.int64) - 7) @ weight.astype(np.int64) * scales.astype(np.float64)
    y, z = session.run(None, {"x": x})
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    np.testing.assert_allclose(z, expected + row, rtol=1e-6)
