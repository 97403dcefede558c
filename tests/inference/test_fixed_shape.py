import numpy as np
import pytest

from epigept_batch.inference.device import CPU
from epigept_batch.inference.fixed_shape import FixedShape
from epigept_batch.inference.ports import Inputs, Ports
from epigept_batch.inference.session import open_session, with_fixed_shape
from small import SMALL, random_inputs


class Adds:
    """Gives the sum of a window's and a sample's first value; remembers the shapes of its calls."""

    ports = Ports((), ())

    def __init__(self):
        self.calls = []

    def __call__(self, inputs):
        self.calls.append({name: len(rows) for rows in (inputs.windows, inputs.samples) for name, rows in rows.items()})
        windows = np.array([row[0] for row in inputs["tokens"]], dtype=np.float32)
        samples = np.array([row[0] for row in inputs["expression"]], dtype=np.float32)
        return {"signal": windows[:, None, None] + samples[None, :, None]}


@pytest.mark.parametrize("as_lists", [True, False])
@pytest.mark.parametrize(("windows", "samples"), [(1, 1), (2, 1), (1, 3), (4, 3), (3, 2)])
def test_calls_are_filled_up_and_their_results_cut(windows, samples, as_lists):
    tokens = np.arange(windows, dtype=np.uint8)[:, None] * 10
    expression = np.arange(samples, dtype=np.float32)[:, None]
    network = Adds()
    rows = (list(tokens), list(expression)) if as_lists else (tokens, expression)
    found = FixedShape(network, (4, 3))(Inputs.of(tokens=rows[0], expression=rows[1]))
    assert network.calls == [{"tokens": 4, "expression": 3}]
    assert found["signal"].shape == (windows, samples, 1)
    np.testing.assert_array_equal(found["signal"][..., 0], tokens.astype(np.float32) + expression.T)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 2), (2, 3), (5, 4)])
def test_a_pair_has_the_same_bits_whatever_is_computed_with_it(small_model, shape):
    session = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    inputs = random_inputs(SMALL, windows=5, samples=4)
    fixed = with_fixed_shape(session, shape)
    assert (fixed.windows_per_call(4), fixed.batch_size) == (shape[0], shape[0] * shape[1])
    together = fixed.signal(Inputs.of(**inputs))
    np.testing.assert_allclose(together, session.signal(Inputs.of(**inputs)), rtol=1e-5, atol=1e-5)
    first, begin = 5 % shape[0] and 5 // shape[0] * shape[0], 4 % shape[1] and 4 // shape[1] * shape[1]
    rest = {
        name: rows[first:] if name != "expression" else rows[begin:] for name, rows in inputs.items()
    }  # of the last call, which is short
    np.testing.assert_array_equal(fixed.signal(Inputs.of(**rest)), together[first:, begin:])
