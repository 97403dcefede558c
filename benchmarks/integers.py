"""Measure which products of the transformer lose accuracy in int8, and what restores it.

    python benchmarks/integers.py --data ../shared/data

Simulates 8-bit integers in PyTorch on the golden windows, for one kind of product at a time and for all of them:

- as in dynamic quantisation, with one scale per activation and one per column of weights
- with only the weights or only the activations quantised
- with the activation's mean over the window left out
- with the remainder of the first quantisation quantised again

Prints Markdown: the max abs error and the lowest Pearson r of a track on both windows, against the same network in
float32. Needs the [test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from golden import ROOT, STARTS, make_checkpoint, read_window
from torch import Tensor, nn

from epigept_export.load import load_network

if TYPE_CHECKING:
    from epigept_export.model import EpiGePT

PRODUCTS = {
    "query, key, value": [("attention.self", name) for name in ("query", "key", "value")],
    "attention output": [("attention.output", "dense")],
    "feed-forward, first": [("intermediate", "dense")],
    "feed-forward, second": [("output", "dense")],
}
WAYS = {
    "dynamic": {"weights": True, "activations": True},
    "weights alone": {"weights": True},
    "activations alone": {"activations": True},
    "mean apart": {"weights": True, "activations": True, "mean_apart": True},
    "mean apart, rest again": {"weights": True, "activations": True, "mean_apart": True, "rest": True},
}


class Simulated(nn.Module):
    """A linear layer with its operands rounded as 8-bit integers would be."""

    def __init__(
        self,
        plain: nn.Linear,
        *,
        weights: bool = False,
        activations: bool = False,
        mean_apart: bool = False,
        rest: bool = False,
    ) -> None:
        super().__init__()
        self.plain, self.mean_apart, self.rest = plain, mean_apart, rest
        self.in_features = plain.in_features
        self.weight = rounded_weight(plain.weight) if weights else plain.weight
        self.rounded = rounded if activations else lambda x: x

    def forward(self, x: Tensor) -> Tensor:
        """(1, bins, in) -> (1, bins, out)."""
        mean = x.mean(dim=1, keepdim=True) if self.mean_apart else torch.zeros(1)
        deviation = x - mean
        integers = self.rounded(deviation)
        if self.rest:
            integers = integers + self.rounded(deviation - integers)
        out = integers @ self.weight.T + self.plain.bias
        return out + mean @ self.plain.weight.T if self.mean_apart else out


def rounded_weight(weight: Tensor) -> Tensor:
    """Round (out, in) to the steps of int8, with one scale per output."""
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return (weight / scale).round() * scale


def rounded(x: Tensor) -> Tensor:
    """Round to the steps of uint8, as DynamicQuantizeLinear does."""
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    return ((x / scale).round() - round(low / scale)).clamp(0, 255).add(round(low / scale)) * scale


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        network = load_network(make_checkpoint(Path(folder)))
        windows = read_windows(options.data, Path(folder))
        expected = signals(network, windows)
        print("| products in int8 |", " | ".join(WAYS), "|")
        print("|---|" + "---|" * len(WAYS))
        for name, kinds in {**{key: [key] for key in PRODUCTS}, "all": list(PRODUCTS)}.items():
            print(f"| {name} ", end="", flush=True)
            for way in WAYS.values():
                places = [place for kind in kinds for place in PRODUCTS[kind]]
                plain = simulate(network, places, way)
                error, r = worst(signals(network, windows), expected)
                restore(plain)
                print(f"| {error:.3f}, {r:.5f} ", end="", flush=True)
            print("|", flush=True)


def read_windows(data: Path, folder: Path) -> list[tuple[tuple[Tensor, Tensor, Tensor], int]]:
    """Return what the network reads of each golden window, and how many of its bins count."""
    windows = []
    for start in STARTS:
        window = read_window(data, folder, start)
        tokens, scores, expression = (torch.from_numpy(values)[None] for values in window[:3])
        windows.append(((tokens, scores, expression), len(window.signal)))
    return windows


def signals(network: EpiGePT, windows: list[tuple[tuple[Tensor, Tensor, Tensor], int]]) -> list[np.ndarray]:
    """Return (bins, tracks) of each window."""
    return [network(*inputs)[0, 0, :bins].numpy() for inputs, bins in windows]


def simulate(
    network: EpiGePT, places: list[tuple[str, str]], way: dict[str, bool]
) -> list[tuple[nn.Module, str, nn.Module]]:
    """Replace plain layers with simulated ones; return the plain layers and their places."""
    plain = []
    for layer in network.layer_stack().layer:
        for parent, name in places:
            module = layer.get_submodule(parent)
            plain.append((module, name, getattr(module, name)))
            setattr(module, name, Simulated(getattr(module, name), **way))
    return plain


def restore(plain: list[tuple[nn.Module, str, nn.Module]]) -> None:
    """Undo `simulate`."""
    for module, name, original in plain:
        setattr(module, name, original)


def worst(found: list[np.ndarray], expected: list[np.ndarray]) -> tuple[float, float]:
    """Return the max abs error and the lowest r of a track over the windows."""
    error = max(float(np.abs(f - e).max()) for f, e in zip(found, expected, strict=True))
    r = min(
        float(np.corrcoef(f[:, t], e[:, t])[0, 1])
        for f, e in zip(found, expected, strict=True)
        for t in range(e.shape[1])
    )
    return error, r


if __name__ == "__main__":
    main()
