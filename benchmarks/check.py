"""Measure how far each precision is from the original network, by provider, on the check in every model file.

    python benchmarks/check.py --data ../shared/data --work check

`convert`, `verify` and `doctor` judge a file or a device with generated inputs that are harder than windows of a
genome. So their limits follow from what this script prints, not from the golden windows.

The script makes checkpoints of the published layouts with random weights. It converts them unverified, because this is
the verification. Then it runs the check of each file, and of the packaged model, on every device that the installed
ONNX Runtime has. In a second environment, use --made with the files that --work has kept.

OpenVINO computes in bfloat16 only on some processors. --bfloat16 therefore adds what the original network gives in
torch if the results of all operators are rounded to bfloat16. Prints Markdown. Exits with 1 if a check misses a limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnxruntime
from golden import ROOT

from epigept_batch.inference.check import check_bins, check_inputs, check_limit, compare_tracks, run_check
from epigept_batch.inference.device import RunOptions, parse_device
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import INPUTS
from epigept_batch.inference.runtime import OPENVINO_PROVIDER
from epigept_batch.inference.session import open_sessions
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from epigept_batch.spec import Spec

ARCHITECTURES = ("hg38", "hg19", "hg19_pretrain", "dnase")
PRECISIONS = ("fp32", "fp16", "int8")
DEVICES = {
    "CPUExecutionProvider": ("cpu",),
    "OpenVINOExecutionProvider": ("openvino", "openvino:bf16"),
    "CUDAExecutionProvider": ("cuda",),
}
SCRIPTS = Path(sys.executable).parent


class Row(NamedTuple):
    """The errors of a model file on a device."""

    model: str
    precision: str
    device: str
    provider: str
    arithmetic: str
    error: float
    r: float


def main() -> None:
    """Print every row, and the worst of each precision and device beside its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, default=Path("check"), help="folder to keep model files in")
    parser.add_argument("--seeds", type=int, nargs="+", default=[20261122, 1, 2], help="seed of the random weights")
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument("--made", action="store_true", help="use the model files in --work and make none")
    parser.add_argument("--bfloat16", action="store_true", help="also round to bfloat16 in torch")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}; onnxruntime {onnxruntime.__version__}\n")
    print("| model | precision | device | arithmetic | max abs error | lowest r |\n|---|---|---|---|---|---|")
    rows = []
    for name, path in models(options):
        found = measured(name, path, threads=options.threads)
        if options.bfloat16 and path.name.endswith(".fp32.onnx"):
            found = chain(found, [rounded(name, path, threads=options.threads)])
        for row in found:
            rows.append(row)
            figures = f"{row.error:.2e} | {row.r:.6f}"
            print(f"| {row.model} | {row.precision} | {row.device} | {row.arithmetic} | {figures} |", flush=True)
    print("\n| precision | device | files | max abs error | lowest r | limits of checks |\n|---|---|---|---|---|---|")
    missed = False
    for precision, device in dict.fromkeys((row.precision, row.device) for row in rows):
        of = [row for row in rows if (row.precision, row.device) == (precision, device)]
        limit = check_limit(precision, of[0].arithmetic, of[0].provider)
        error, r = max(row.error for row in of), min(row.r for row in of)
        missed |= error > limit.error or r < limit.r
        print(f"| {precision} | {device} | {len(of)} | {error:.2e} | {r:.6f} | {limit.error:g}, {limit.r:g} |")
    sys.exit(missed)


def models(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the packaged model and every other with its name; make those that do not exist."""
    with resources.as_file(resources.files("epigept_batch.demo").joinpath("model.onnx")) as packaged:
        yield "packaged", packaged
    for seed in options.seeds:
        for architecture in options.architectures:
            for precision in PRECISIONS:
                path = options.work / f"{architecture}.{seed}.{precision}.onnx"
                if not path.exists() and not options.made:
                    make(path, options.data, architecture, seed=seed, precision=precision)
                if path.exists():
                    yield f"{architecture}, seed {seed}", path


def make(path: Path, data: Path, architecture: str, *, seed: int, precision: str) -> None:
    """Convert a checkpoint of random weights with the published motifs."""
    checkpoint = make_checkpoint(path, architecture, seed=seed)
    command = [
        *(SCRIPTS / "epigept-export", "convert", checkpoint, "--precision", precision, "--no-verify"),
        *("--motifs", data / "motifs/all_motif_rmdup"),
        *("--motif-factors", data / "motifs/MotifMatch_human_rmdup.mat"),
        *("--expression-reference", data / "expression/reference_expression.tsv"),
        *("--output", path),
    ]
    subprocess.run(command, check=True, capture_output=True)


def make_checkpoint(path: Path, architecture: str, *, seed: int) -> Path:
    """A checkpoint of random weights beside a model file, the same for the same seed."""
    checkpoint = path.with_name(f"{architecture}.{seed}.ckpt")
    if not checkpoint.exists():
        script = ROOT / "tests/make_checkpoint.py"
        command = [sys.executable, script, architecture, checkpoint, "--seed", str(seed)]
        subprocess.run(command, check=True, capture_output=True)
    return checkpoint


def measured(name: str, path: Path, *, threads: int) -> Iterator[Row]:
    """Run the check of a model file on every device."""
    spec = read_spec(path)
    for provider in onnxruntime.get_available_providers():
        for device in DEVICES.get(provider, ()):
            if spec.precision == "int8" and device != "cpu":
                continue
            wanted = RunOptions(spec.precision, threads=threads)
            session = open_sessions(path, parse_device(device), wanted, say=note)[0]
            error, r = worst(run_check(session, spec), spec)
            yield Row(name, spec.precision, device, session.provider, session.arithmetic, error, r)


def rounded(name: str, path: Path, *, threads: int) -> Row:
    """Run the check on the original network, with weights and operator results rounded to bfloat16."""
    import torch

    from epigept_export.load import load_network

    spec = read_spec(path)
    architecture, seed, _, _ = path.name.split(".")
    network = load_network(make_checkpoint(path, architecture, seed=int(seed)))
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    torch.set_num_threads(threads)
    tokens, scores, expression = (torch.from_numpy(np.asarray(inputs[name])) for name in INPUTS)
    with torch.no_grad(), rounding():
        for weights in network.parameters():
            weights.copy_(weights.clone())
        windows = [
            torch.cat([network(tokens[n, None], scores[n, None], sample[None]) for sample in expression], dim=1)
            for n in range(len(tokens))
        ]
    signal = torch.cat(windows).numpy()
    error, r = worst(signal[:, :, check_bins(spec.geometry)], spec)
    return Row(name, spec.precision, "rounded in torch", OPENVINO_PROVIDER, "bf16", error, r)


def rounding() -> AbstractContextManager[None]:
    """Round the results of all torch operators to bfloat16 in this context."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    def to_bfloat16(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(to_bfloat16, value))
        floats = isinstance(value, torch.Tensor) and value.dtype == torch.float32
        return value.bfloat16().float() if floats else value

    class Rounding(TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, values=(), options=None):  # noqa: ANN001, ANN204
            return to_bfloat16(operator(*values, **(options or {})))

    return Rounding()


def worst(found: NDArray[np.float32], spec: Spec) -> tuple[float, float]:
    """Return the max abs error and the lowest r of any track."""
    figures = compare_tracks(found, spec.check.signal, spec.tracks)
    return max(one.error for one in figures), min(one.r for one in figures)


def note(sentence: str) -> None:
    """Print a message of a session to standard error, apart from the tables."""
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    main()
