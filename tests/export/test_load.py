import numpy as np
import pytest
import torch

import reference
from epigept_batch.errors import ModelError
from epigept_export.architectures import ARCHITECTURES
from epigept_export.checkpoint import read_state_dict
from epigept_export.load import load_network, recognise
from small import SMALL, predict
from tolerances import NETWORK_FP32, NETWORK_TORCH


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_published_network_is_recognised_and_is_bert_and_the_published_code(make_checkpoint, synthetic, name):
    checkpoint = make_checkpoint(name)
    network = load_network(checkpoint)
    assert network.architecture is ARCHITECTURES[name]
    with np.load(synthetic / f"network_{name.replace('-', '_')}.npz") as golden:
        inputs, signal = {key: golden[key] for key in golden}, golden["signal"]
    found = predict(network, inputs)
    assert found.shape == (1, 1, network.architecture.bins, len(network.architecture.tracks))
    assert np.abs(found - signal).max() <= NETWORK_FP32
    bert = reference.published_network(network.architecture, read_state_dict(checkpoint), inputs)
    assert np.abs(found - bert).max() <= NETWORK_TORCH


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_are_read(tmp_path, small_state, dtype):
    path = tmp_path / "small.ckpt"
    torch.save({key: tensor.to(dtype) for key, tensor in small_state.items()}, path)
    state = load_network(path, SMALL).state_dict()
    assert all(torch.equal(state[key], small_state[key].to(dtype).float()) for key in small_state)


def test_what_bert_does_not_use_is_not_looked_at(small_state, tmp_path):
    unused = {
        "embeddings.position_ids": torch.arange(9)[None],
        "embeddings.token_type_ids": torch.zeros(1, 9, dtype=torch.long),
        "embeddings.word_embeddings.weight": torch.zeros(7, 3),
        "pooler.dense.weight": torch.full((2, 2), torch.nan),
        "pooler.dense.bias": torch.zeros(2),
    }
    torch.save({**small_state, **{f"encoder.{key}": tensor for key, tensor in unused.items()}}, tmp_path / "x.ckpt")
    assert load_network(tmp_path / "x.ckpt", SMALL).architecture is SMALL


@pytest.fixture(scope="module")
def hg38_shapes(make_checkpoint):
    return {key: tensor.to("meta") for key, tensor in read_state_dict(make_checkpoint("hg38")).items()}


def without(*keys):
    return lambda state: {key: tensor for key, tensor in state.items() if key not in keys}


def with_(**tensors):
    return lambda state: state | {key.replace("__", "."): tensor for key, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "wanted", "message"),
    [
        (
            without("fc1.weight", "fc1.bias"),
            None,
            "not an EpiGePT checkpoint; closest to hg19-pretrain, but fc2.weight has shape (8, 128) instead of",
        ),
        (
            without("convmodule.conv3.weight", "fc1.bias"),
            None,
            "not an EpiGePT checkpoint; closest to hg38, but convmodule.conv3.weight is missing, and 1 more",
        ),
        (
            with_(fc2__bias=torch.zeros(9), extra__weight=torch.zeros(1)),
            None,
            "not an EpiGePT checkpoint; closest to hg38, but fc2.bias has shape (9,) instead of (8,), and 1 more",
        ),
        (
            with_(extra__weight=torch.zeros(1)),
            None,
            "not an EpiGePT checkpoint; closest to hg38, but extra.weight is unexpected",
        ),
        (
            dict,
            "hg19-pretrain",
            "not a checkpoint of hg19-pretrain: fc2.weight has shape (8, 128) instead of (8, 968), and 2 more; it fits",
        ),
        (
            without("fc1.weight"),
            "dnase",
            "not a checkpoint of dnase: transformermodule.embeddings.position_embeddings.weight is missing, and 464",
        ),
        (lambda _: {"a": torch.zeros(1)}, None, "not an EpiGePT checkpoint; "),
    ],
)
def test_what_differs_is_said_with_the_nearest_architecture(hg38_shapes, tmp_path, change, wanted, message):
    with pytest.raises(ModelError) as caught:
        recognise(change(hg38_shapes), tmp_path / "x.ckpt", wanted=wanted and ARCHITECTURES[wanted])
    assert str(caught.value).startswith(f"{tmp_path}/x.ckpt: {message}")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(3, dtype=torch.int8), "fc2.bias has type torch.int8; use floating-point weights"),
        (torch.tensor([0, torch.nan, 0]), "fc2.bias contains non-finite values"),
        (torch.tensor([0, torch.inf, 0]), "fc2.bias contains non-finite values"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(tmp_path, small_state, tensor, message):
    torch.save({**small_state, "fc2.bias": tensor}, tmp_path / "x.ckpt")
    with pytest.raises(ModelError, match=f"x.ckpt: {message}"):
        load_network(tmp_path / "x.ckpt", SMALL)
