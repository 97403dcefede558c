"""Networks that take or give other than the published: only `inference/` and who uses the output know of it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from epigept_batch.errors import ModelError
from epigept_batch.inference.device import CPU, RunOptions
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import Inputs, Ports, check_ports, row_shapes
from epigept_batch.inference.session import open_session, open_sessions
from small import SMALL, random_inputs
from tolerances import SAME


def with_second_output(model):
    """The network with its signal doubled as another output."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(2, np.float32), "two"))
    model.graph.node.append(helper.make_node("Mul", ["signal", "two"], ["doubled"]))
    shape = ["windows", "samples", SMALL.bins, len(SMALL.tracks)]
    model.graph.output.append(helper.make_tensor_value_info("doubled", TensorProto.FLOAT, shape))


def without_motif_scores(model):
    """The network as for sequence without a hit, which is no input of it then."""
    (scores,) = (value for value in model.graph.input if value.name == "motif_scores")
    model.graph.input.remove(scores)
    nothing = helper.make_tensor("nothing", TensorProto.FLOAT16, [1], np.zeros(1, np.float16).tobytes(), raw=True)
    row = numpy_helper.from_array(np.array([SMALL.factors, SMALL.bins]), "row")
    model.graph.initializer.append(row)
    nodes = [
        helper.make_node("Shape", ["tokens"], ["windows_of"], start=0, end=1),
        helper.make_node("Concat", ["windows_of", "row"], ["shape_of_scores"], axis=0),
        helper.make_node("ConstantOfShape", ["shape_of_scores"], ["motif_scores"], value=nothing),
    ]
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)


@pytest.fixture
def changed(small_model, tmp_path):
    """A model file after a change of its graph."""

    def make(change):
        model = onnx.load(small_model)
        change(model)
        onnx.save(model, tmp_path / "changed.onnx")
        return tmp_path / "changed.onnx"

    return make


@pytest.fixture
def inputs():
    return Inputs.of(**random_inputs(SMALL, windows=3, samples=2))


def plain(path, inputs):
    return open_session(path, CPU, precision="fp32", threads=1, say=pytest.fail).signal(inputs)


def test_the_published_networks_ports_are_those_of_their_spec(small_model):
    session = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    assert session.ports == Ports.of_spec(read_spec(small_model))
    assert [(port.name, port.rows, port.dtype, port.shape) for port in session.ports.inputs] == [
        ("tokens", "windows", np.uint8, (2560,)),
        ("motif_scores", "windows", np.float16, (15, 20)),
        ("expression", "samples", np.float32, (15,)),
    ]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_second_output_is_given_where_it_is_asked_for(changed, small_model, inputs, batch_size):
    path = changed(with_second_output)
    options = RunOptions("fp32", batch_size=batch_size, outputs=("signal", "doubled"))
    found = open_sessions(path, CPU, options, say=pytest.fail)[0].run(inputs)
    expected = plain(small_model, inputs)
    np.testing.assert_allclose(found["signal"], expected, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(found["doubled"], 2 * expected, rtol=SAME, atol=SAME)
    turned = RunOptions("fp32", batch_size=batch_size, outputs=("doubled", "signal"))
    signal = open_sessions(path, CPU, turned, say=pytest.fail)[0].signal(inputs)
    np.testing.assert_allclose(signal, expected, rtol=SAME, atol=SAME)
    assert list(open_sessions(path, CPU, RunOptions("fp32"), say=pytest.fail)[0].run(inputs)) == ["signal"]


def test_genome_runs_a_network_without_motif_scores(changed, small_model, inputs, genome, tmp_path):
    path = changed(without_motif_scores)
    nothing = Inputs({**inputs.windows, "motif_scores": np.zeros_like(inputs["motif_scores"])}, inputs.samples)
    np.testing.assert_allclose(plain(path, inputs), plain(small_model, nothing), rtol=SAME, atol=SAME)
    assert genome(model=path).code == 0
    assert "scan" not in (tmp_path / "out/sample.run.json").read_text().partition('"seconds"')[2]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tokens", "bases", "the model's graph has no tokens; convert the checkpoint again"),
        ("expression", "rna", "the model's graph has no expression; convert the checkpoint again"),
        (
            "motif_scores",
            "methylation",
            "the model's graph needs the input 'methylation', which this version cannot compute",
        ),
        ("signal", "tracks", "the model's graph has no signal; convert the checkpoint again"),
    ],
)
def test_ports_that_are_not_known_are_said(changed, old, new, said):
    def rename(model):
        for value in (*model.graph.input, *model.graph.output):
            value.name = new if value.name == old else value.name

    with pytest.raises(ModelError, match=said):
        read_spec(changed(rename))


def test_a_graph_that_does_not_fit_its_spec_is_refused(small_model):
    spec = read_spec(small_model)
    good = {name: (0, *shape) for name, shape in row_shapes(spec).items()}
    outputs = {"signal": (0, 0, SMALL.bins, 3)}
    check_ports(good, outputs, spec)
    for name, shape in good.items():
        for other in ((*shape[:-1], shape[-1] + 1), (1, *shape[1:]), shape[:-1]):
            with pytest.raises(ModelError, match=f"the model's graph takes {name} in another shape than its spec says"):
                check_ports(good | {name: other}, outputs, spec)
    with pytest.raises(
        ModelError, match="the model's graph needs the input 'methylation', which this version cannot compute"
    ):
        check_ports(good | {"methylation": (0, 5)}, outputs, spec)
    with pytest.raises(ModelError, match="the model's graph has no expression, signal"):
        check_ports({"tokens": good["tokens"]}, {"other": ()}, spec)
