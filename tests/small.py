"""A network of the published form and a small size, and inputs for networks of any size."""

from __future__ import annotations

import numpy as np
import torch

from epigept_export.architectures import Architecture

SMALL = Architecture(
    "hg38",
    tracks=("DNase", "CTCF", "H3K27ac"),
    bins=20,
    factors=15,
    layers=2,
    feed_forward=16,
    heads=2,
    positions=20,
    channels=(4, 4, 4, 4, 4, 8),
    hidden_output=8,
)


def random_inputs(architecture, windows, samples, seed=7):
    """Return inputs of the model file, including N and bins without hits."""
    rng = np.random.default_rng(seed)
    shape = (windows, architecture.factors, architecture.bins)
    return {
        "tokens": rng.integers(0, 5, (windows, architecture.geometry.window_bp)).astype(np.uint8),
        "motif_scores": (rng.gamma(2, 4, shape) * (rng.random(shape) < 0.3)).astype(np.float16),
        "expression": rng.gamma(1, 2, (samples, architecture.factors)).astype(np.float32),
    }


def predict(network, inputs):
    """Run the torch network on numpy inputs."""
    with torch.no_grad():
        return network(*(torch.from_numpy(inputs[name]) for name in ("tokens", "motif_scores", "expression"))).numpy()


def with_what_bert_has_besides(state):
    """Return the small network's weights, and those of BERT that the network does not use."""
    width = SMALL.hidden
    unused = {"embeddings.word_embeddings.weight": (256, width), "pooler.dense.weight": (width, width)}
    unused["pooler.dense.bias"] = (width,)
    return state | {f"encoder.{name}": torch.zeros(shape) for name, shape in unused.items()}
