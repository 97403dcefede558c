"""The objective, the correlation, and the network in training, against torch, numpy and BERT."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import reference
from epigept_export.model import EpiGePT
from small import SMALL, random_inputs, with_what_bert_has_besides
from tolerances import NETWORK_TORCH

pytest.importorskip("lightning")

from epigept_export.training.module import TrackCorrelation, TrainedEpiGePT, masked_squared_error, sines


def test_the_loss_is_the_mean_over_what_has_data():
    found, expected = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    assert masked_squared_error(found, expected) == pytest.approx(functional.mse_loss(found, expected).item(), rel=1e-6)
    expected[1], expected[0, 2, 3] = torch.nan, torch.nan
    there = ~expected.isnan()
    wanted = functional.mse_loss(found[there], expected[there]).item()
    assert masked_squared_error(found, expected) == pytest.approx(wanted, rel=1e-6)
    assert masked_squared_error(found, torch.full_like(found, torch.nan)) == 0


def test_no_gradient_comes_from_bins_without_data():
    found = torch.randn(2, 3, requires_grad=True)
    expected = torch.tensor([[1.0, torch.nan, 2], [torch.nan, 3, 4]])
    masked_squared_error(found, expected).backward()
    assert (found.grad == 0).tolist() == expected.isnan().tolist()


def test_correlations_are_numpys_whatever_the_batches():
    rng = np.random.default_rng(1)
    found, expected = rng.normal(size=(7, 2, 30, 3)), rng.normal(size=(7, 2, 30, 3))
    expected[..., 1] += found[..., 1]
    expected[2:4, :, 5] = np.nan
    found[..., 2] = 4
    sums = TrackCorrelation(3)
    for part in (slice(0, 3), slice(3, 7)):
        sums.add(torch.from_numpy(found[part]), torch.from_numpy(expected[part]))
    there = ~np.isnan(expected[..., 0])
    wanted = [np.corrcoef(found[there][:, track], expected[there][:, track])[0, 1] for track in (0, 1)]
    np.testing.assert_allclose(sums.values()[:2], wanted, rtol=1e-9)
    assert np.isnan(sums.values()[2])


def test_the_network_in_training_is_the_network(small_state):
    plain, trained = EpiGePT(SMALL), TrainedEpiGePT(SMALL, head_leak=0.1)
    for network in (plain, trained):
        network.load_state_dict(small_state)
    inputs = [torch.from_numpy(values) for values in random_inputs(SMALL, windows=2, samples=3).values()]
    np.testing.assert_allclose(trained(*inputs).detach(), plain(*inputs).detach(), atol=NETWORK_TORCH)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_the_gradients_are_berts(small_state, dtype, tolerance):
    """Of the published form, `transformers.BertModel`, for one window and sample."""
    inputs = random_inputs(SMALL, windows=1, samples=1)
    expected = torch.rand(SMALL.bins, len(SMALL.tracks), generator=torch.Generator().manual_seed(1)) * 4
    trained = TrainedEpiGePT(SMALL)
    trained.load_state_dict(small_state)
    trained.to(dtype)
    trained.layer_stack().dtype = dtype
    found = trained(*(torch.from_numpy(values) for values in inputs.values()))
    masked_squared_error(found[0, 0], expected).backward()
    mine = {name: parameter.grad for name, parameter in trained.named_parameters()}

    state = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in small_state.items()}
    network = reference.PublishedNetwork(SMALL, with_what_bert_has_besides(small_state))
    network.bert.to(dtype)
    network.state = state
    with torch.enable_grad():
        predicted = network.forward(inputs["tokens"][0], inputs["motif_scores"][0], inputs["expression"][0])
        masked_squared_error(predicted, expected).backward()
    theirs = {f"encoder.{name}": parameter.grad for name, parameter in network.bert.named_parameters()}
    theirs |= {name: tensor.grad for name, tensor in state.items() if not name.startswith("encoder.")}
    compared = 0
    for name, gradient in mine.items():
        if name.endswith("token_type_embeddings.weight"):  # row 0 of two
            continue
        # A bias of the keys changes nothing: its gradient is 0 but for rounding.
        scale = max(theirs[name].abs().max().item(), 1e-2)
        assert (gradient - theirs[name]).abs().max().item() <= tolerance * scale, name
        compared += 1
    assert compared == len(mine) - 1 > 40


def test_a_leak_lets_gradients_through_and_nothing_else(small_state):
    state = dict(small_state)
    state["fc2.bias"] = torch.full_like(state["fc2.bias"], -100.0)
    inputs = [torch.from_numpy(values) for values in random_inputs(SMALL, windows=1, samples=1).values()]
    for leak in (0.0, 0.1):
        network = TrainedEpiGePT(SMALL, head_leak=leak)
        network.load_state_dict(state)
        out = network(*inputs)
        assert not out.any()
        out.sum().backward()
        assert network.fc2.bias.grad.any() == bool(leak)


def test_positions_are_told_apart():
    rows = sines(256, 64)
    assert rows.shape == (256, 64)
    distances = torch.cdist(rows, rows) + torch.eye(256) * 9
    assert distances.min() > 0.5
    assert sines(20, 7).shape == (20, 7)
