"""Train the published size for a few steps (loss, seconds, memory), and compare its gradients with BERT's.

    python benchmarks/training.py --data ../shared/data

Sequence, motifs and expression are real. The signal is that of the published network on the golden windows, with
weights that training has not seen. Prints Markdown. Needs the [test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from golden import ROOT, STARTS, make_checkpoint, read_window

from epigept_export.architectures import ARCHITECTURES
from epigept_export.checkpoint import read_state_dict
from epigept_export.training.config import FitConfig
from epigept_export.training.module import EpiGePTModule, TrainedEpiGePT, masked_squared_error
from machine import processor

sys.path.insert(0, str(ROOT / "tests"))
import reference

if TYPE_CHECKING:
    from golden import Window

HG38 = ARCHITECTURES["hg38"]
STEPS = 6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        window = read_window(options.data, work, STARTS[0])
        print(f"{processor()}, {torch.get_num_threads()} threads; torch {torch.__version__}\n", flush=True)
        steps(window)  # first, because the memory of `gradients` would count
        gradients(window, read_state_dict(make_checkpoint(work)))


def batch_of(window: Window) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a window and a sample as the network in training takes them, and the signal."""
    inputs = (torch.from_numpy(window[number])[None] for number in range(3))
    return (*inputs, torch.from_numpy(window.signal)[None, None])


def steps(window: Window) -> None:
    """Run a few steps of Adam on one window and one sample."""
    torch.manual_seed(1)
    module = EpiGePTModule(HG38, FitConfig(), lambda: 0.0)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)
    *inputs, signal = batch_of(window)
    print("| step | loss | seconds |\n|---|---|---|")
    for step in range(STEPS):
        begun = time.perf_counter()
        loss = masked_squared_error(module.model(*inputs), signal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"| {step + 1} | {loss.item():.4f} | {time.perf_counter() - begun:.2f} |", flush=True)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"\n{parameters:,} parameters, one window and one sample: {peak / 1e9:.2f} GB at most.\n", flush=True)


def gradients(window: Window, state: dict[str, torch.Tensor]) -> None:
    """Compare every weight's gradient with that of `transformers.BertModel` in float64, on one window and sample."""
    *inputs, signal = batch_of(window)
    ours, precise = (trained_gradients(inputs, state, signal, dtype) for dtype in (torch.float32, torch.float64))
    exact, single = (berts_gradients(window, state, signal, dtype) for dtype in (torch.float64, torch.float32))
    print("| gradients | max abs difference / max, median weight | worst weight |\n|---|---|---|")
    for name, found in (
        ("in training, float64", precise),
        ("in training, float32", ours),
        ("BertModel, float32", single),
    ):
        errors = {
            key: float((found[key] - exact[key]).abs().max() / exact[key].abs().max())
            for key in ours
            if "key.bias" not in key and "token_type" not in key  # 0 except for rounding; only one row used
        }
        worst = max(errors, key=lambda key: errors[key])
        print(f"| {name} | {median(errors.values()):.1e} | {errors[worst]:.1e} ({worst}) |", flush=True)
    print()


def trained_gradients(
    inputs: list[torch.Tensor], state: dict[str, torch.Tensor], signal: torch.Tensor, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return the gradients of the network in training, by name."""
    trained = TrainedEpiGePT(HG38)
    trained.load_state_dict({name: state[name].clone() for name in trained.state_dict()})
    trained.to(dtype)
    trained.layer_stack().dtype = dtype
    masked_squared_error(trained(*inputs), signal.to(dtype)).backward()
    return {name: parameter.grad for name, parameter in trained.named_parameters() if parameter.grad is not None}


def berts_gradients(
    window: Window, state: dict[str, torch.Tensor], signal: torch.Tensor, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return the gradients of the published form, by name."""
    network = reference.PublishedNetwork(HG38, state)
    network.bert.to(dtype)
    network.state = {
        name: tensor.detach().to(dtype, copy=True).requires_grad_()
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }
    found = network.forward(window.tokens, window.motif_scores, window.expression)
    masked_squared_error(found, signal[0, 0].to(dtype)).backward()
    by_name = {f"encoder.{name}": parameter.grad for name, parameter in network.bert.named_parameters()}
    by_name |= {name: tensor.grad for name, tensor in network.state.items() if not name.startswith("encoder.")}
    return {name: gradient for name, gradient in by_name.items() if gradient is not None}


if __name__ == "__main__":
    main()
