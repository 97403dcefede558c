import numpy as np
import pytest
import torch

import reference
from epigept_export.architectures import ARCHITECTURES, read_training_windows
from epigept_export.attention import pad_heads, padded_head
from epigept_export.checkpoint import read_state_dict
from epigept_export.convert import load_network
from epigept_export.model import EpiGePT
from small import SMALL, predict, random_inputs
from tolerances import NETWORK_FP32, NETWORK_TORCH


def test_the_published_sizes():
    hg38 = ARCHITECTURES["hg38"]
    assert (hg38.geometry.bins, hg38.geometry.bin_bp, hg38.geometry.window_bp) == (1000, 128, 128_000)
    assert (hg38.zero_columns, hg38.hidden, hg38.hidden // hg38.heads) == (1, 968, 121)
    assert hg38.output_widths == (968, 128, 8)


def test_the_training_windows(shared):
    windows = read_training_windows("hg38")
    listed = {tuple(line.split()[:2]) for line in (shared / "training/windows_hg38.bed").read_text().splitlines()}
    unrolled = {
        (contig, str(number * 128_000))
        for contig, runs in windows.items()
        for first, last in runs
        for number in range(first, last)
    }
    assert unrolled == listed
    assert len(unrolled) == 15_870


def test_the_network_has_the_checkpoints_names(make_checkpoint):
    state = read_state_dict(make_checkpoint("hg38"))
    with torch.device("meta"):
        wanted = EpiGePT(ARCHITECTURES["hg38"]).state_dict()
    unused = ("position_ids", "word_embeddings", "pooler")
    assert set(wanted) == {key for key in state if not any(part in key for part in unused)}
    assert all(wanted[key].shape == state[key].shape for key in wanted)


def test_the_small_network_is_the_published_form(small_state):
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(small_state)
    inputs = random_inputs(SMALL, windows=2, samples=3)
    state = dict(small_state)
    for name in ("embeddings.word_embeddings.weight", "pooler.dense.weight", "pooler.dense.bias"):
        shape = {"embeddings.word_embeddings.weight": (256, 24), "pooler.dense.weight": (24, 24)}.get(name, (24,))
        state[f"encoder.{name}"] = torch.zeros(shape)
    expected = reference.published_network(SMALL, state, inputs)
    assert expected.std() > 0.1
    assert np.abs(predict(network, inputs) - expected).max() <= NETWORK_TORCH


def test_the_published_size_against_bert_and_the_published_code(make_checkpoint, synthetic):
    architecture = ARCHITECTURES["hg38"]
    checkpoint = make_checkpoint("hg38")
    with np.load(synthetic / "network_hg38.npz") as golden:
        inputs, signal = {name: golden[name] for name in golden}, golden["signal"]
    found = predict(load_network(checkpoint, architecture), inputs)
    assert np.abs(found - signal).max() <= NETWORK_FP32
    bert = reference.published_network(architecture, read_state_dict(checkpoint), inputs)
    assert np.abs(found - bert).max() <= NETWORK_TORCH


def test_the_windows_convolutions_serve_all_samples(small_state):
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(small_state)
    calls = []
    network.convmodule.register_forward_hook(lambda _, given, __: calls.append(given[0].shape[0]))
    predict(network, random_inputs(SMALL, windows=2, samples=5))
    assert calls == [2]


@pytest.mark.parametrize(("head", "padded"), [(121, 128), (128, 128), (120, 120), (12, 16), (8, 8), (1, 8)])
def test_heads_are_padded_to_a_multiple_of_8(head, padded):
    assert padded_head(head) == padded


def test_padding_puts_zeros_behind_each_head():
    padded = pad_heads(torch.arange(1.0, 7.0), 2, 4)
    assert padded.tolist() == [1, 2, 3, 0, 4, 5, 6, 0]
