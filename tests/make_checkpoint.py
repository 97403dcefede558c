"""Write a checkpoint in the published EpiGePT layout, with deterministic random weights.

The published weights cannot be redistributed here, so tests and benchmarks use this stand-in. It has the same keys,
shapes, dtypes and envelope as a pytorch-lightning 1.2.10 / torch 1.7 / transformers 4.5 checkpoint. The same seed gives
the same numbers on every machine. Its predictions have no biological meaning. Its arithmetic is the real network's.

    python make_checkpoint.py hg38 model.ckpt [--seed 20261122]

Architectures: hg38, hg19, hg19_pretrain (8 tracks, 128 kb) and dnase (1 track, 50 bins of 200 bp).
"""

from __future__ import annotations

import argparse
import sys
import types
import zlib

import numpy as np
import torch

HIDDEN, VOCABULARY = 968, 256
CHANNELS, KERNELS = (4, 32, 64, 96, 128, 256), (3, 5, 5, 3, 3)
ARCHITECTURES = {  # encoder prefix, layers, feed-forward width, positions, heads of the output: (name, out, in)
    "hg38": ("encoder", 12, 1024, 1000, (("fc1", 128, HIDDEN), ("fc2", 8, 128))),
    "hg19": ("transformermodule", 12, 1024, 1000, (("multitaskmodule.linear", 8, HIDDEN),)),
    "hg19_pretrain": ("encoder", 12, 1024, 1000, (("fc2", 8, HIDDEN),)),
    "dnase": ("transformermodule", 16, 512, 512, (("multitaskmodule.linear", 1, HIDDEN),)),
}
OUTPUT_BIASES = ("fc2.bias", "multitaskmodule.linear.bias")


def shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    """Return every key of the state dict with its shape, in the published order."""
    prefix, layers, width, positions, heads = ARCHITECTURES[architecture]
    keys: dict[str, tuple[int, ...]] = {}

    def linear(name: str, out: int, inp: int) -> None:
        keys[f"{name}.weight"], keys[f"{name}.bias"] = (out, inp), (out,)

    def norm(name: str) -> None:
        keys[f"{name}.weight"], keys[f"{name}.bias"] = (HIDDEN,), (HIDDEN,)

    for i, kernel in enumerate(KERNELS):
        keys[f"convmodule.conv{i + 1}.weight"] = (CHANNELS[i + 1], CHANNELS[i], kernel)
        keys[f"convmodule.conv{i + 1}.bias"] = (CHANNELS[i + 1],)
    embeddings = f"{prefix}.embeddings"
    keys[f"{embeddings}.position_ids"] = (1, positions)
    keys[f"{embeddings}.word_embeddings.weight"] = (VOCABULARY, HIDDEN)
    keys[f"{embeddings}.position_embeddings.weight"] = (positions, HIDDEN)
    keys[f"{embeddings}.token_type_embeddings.weight"] = (2, HIDDEN)
    norm(f"{embeddings}.LayerNorm")
    for i in range(layers):
        layer = f"{prefix}.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", width, HIDDEN)
        linear(f"{layer}.output.dense", HIDDEN, width)
        norm(f"{layer}.output.LayerNorm")
    linear(f"{prefix}.pooler.dense", HIDDEN, HIDDEN)
    for name, out, inp in heads:
        linear(name, out, inp)
    return keys


def weight(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return weights scaled so that the outputs vary along the window and neither vanish nor explode."""
    if key.endswith("position_ids"):
        return np.arange(shape[1], dtype=np.int64)[None]
    normal = np.random.default_rng([zlib.crc32(key.encode()), seed]).standard_normal(shape).astype(np.float32)
    if key.endswith("LayerNorm.weight"):
        return 1 + 0.1 * normal
    if key in OUTPUT_BIASES:
        return 2 + 0.05 * normal  # the outputs end in a ReLU, so this keeps every track above 0
    if key.endswith("bias"):
        return 0.05 * normal
    if "embeddings" in key:
        return 0.3 * normal
    gain = 1.0
    if "conv" in key:
        gain = 1.6
    elif "query" in key or "key." in key:
        gain = 1.3
    elif "output.dense" in key:
        gain = 0.5
    elif key.startswith(("fc", "multitask")):
        gain = 1.0
    return (gain / np.sqrt(np.prod(shape[1:]))).astype(np.float32) * normal


def lightning_callback() -> type:
    """Return the class that keys pytorch-lightning 1.2.10's `callbacks` entry. A reader's machine does not have it."""
    name = "pytorch_lightning.callbacks.early_stopping"
    module = types.ModuleType(name)
    cls = type("EarlyStopping", (), {"__module__": name})
    module.EarlyStopping = cls
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        sys.modules.setdefault(part, types.ModuleType(part))
    sys.modules[name] = module
    return cls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("architecture", choices=ARCHITECTURES)
    parser.add_argument("path")
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    state = {
        key: torch.from_numpy(np.ascontiguousarray(weight(key, shape, options.seed)))
        for key, shape in shapes(options.architecture).items()
    }
    torch.save(
        {
            "epoch": 12,
            "global_step": 98765,
            "pytorch-lightning_version": "1.2.10",
            "callbacks": {
                lightning_callback(): {
                    "wait_count": 3,
                    "stopped_epoch": 12,
                    "best_score": torch.tensor(0.31),
                    "patience": 3,
                }
            },
            "optimizer_states": [],
            "lr_schedulers": [],
            "state_dict": state,
        },
        options.path,
    )
    print(f"{options.path}: {options.architecture}, {len(state)} tensors, seed {options.seed}")


if __name__ == "__main__":
    main()
