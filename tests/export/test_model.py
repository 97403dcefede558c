import numpy as np
import pytest
import torch

import reference
from epigept_export.architectures import ARCHITECTURES, read_training_windows, training_cells
from epigept_export.attention import pad_heads, padded_head
from epigept_export.model import EpiGePT
from small import SMALL, predict, random_inputs, with_what_bert_has_besides
from tolerances import NETWORK_TORCH


@pytest.mark.parametrize(
    ("name", "window", "hidden", "layers", "output_widths", "scan_window"),
    [
        ("hg38", (1000, 128, 128_000), 968, 12, (968, 128, 8), "-37,164"),
        ("hg19", (1000, 128, 128_000), 968, 12, (968, 8), "-37,164"),
        ("hg19-pretrain", (1000, 128, 128_000), 968, 12, (968, 8), "-37,164"),
        ("dnase", (50, 200, 10_000), 968, 16, (968, 1), "-400,600"),
    ],
)
def test_the_published_sizes(name, window, hidden, layers, output_widths, scan_window):
    found = ARCHITECTURES[name]
    assert (found.geometry.bins, found.geometry.bin_bp, found.geometry.window_bp) == window
    assert (found.hidden, found.hidden // found.heads, found.layers) == (hidden, 121, layers)
    assert found.output_widths == output_widths
    assert str(found.scan_window) == scan_window


@pytest.mark.parametrize(("assembly", "count"), [("hg38", 15_870), ("hg19", 13_300)])
def test_the_training_windows(shared, assembly, count):
    windows = read_training_windows(ARCHITECTURES[assembly].training_windows)
    bed = (shared / f"training/windows_{assembly}.bed").read_text().splitlines()
    listed = {tuple(line.split()[:2]) for line in bed}
    unrolled = {
        (contig, str(number * 128_000))
        for contig, runs in windows.items()
        for first, last in runs
        for number in range(first, last)
    }
    assert unrolled == listed
    assert len(unrolled) == count


def test_the_dnase_network_has_no_training_windows():
    assert read_training_windows(ARCHITECTURES["dnase"].training_windows) == {}
    assert [name for name, architecture in ARCHITECTURES.items() if not architecture.contiguous] == ["dnase"]


def test_the_small_network_is_the_published_form(small_state):
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(small_state)
    inputs = random_inputs(SMALL, windows=2, samples=3)
    expected = reference.published_network(SMALL, with_what_bert_has_besides(small_state), inputs)
    assert expected.std() > 0.1
    assert np.abs(predict(network, inputs) - expected).max() <= NETWORK_TORCH


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


def test_the_training_cells(shared):
    cells = [line.split("\t")[1] for line in (shared / "training/cells_hg38.tsv").read_text().splitlines()]
    rows = sorted(map(int, (shared / "training/train_cells.txt").read_text().split()))
    found = training_cells(ARCHITECTURES["hg38"], None)
    assert found == tuple(cells[row] for row in rows)
    assert (len(found), "BJ" in found, "IMR-90" in found) == (72, True, False)
    assert training_cells(ARCHITECTURES["hg19"], None) == ()
