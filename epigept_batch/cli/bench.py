"""`epigept-batch bench`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import batch_size_option, device_option, model_option, threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@click.command(short_help="Measure a model on this machine.")
@model_option
@device_option("auto", "the network")
@batch_size_option
@threads_option
@click.option(
    "--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Times that everything is measured."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, with those of each repeat.")
@quiet_option
def bench(*, model: Path, device: str, batch_size: int | None, threads: int, repeats: int, as_json: bool) -> None:
    """Measure the network, each stage around it, and the whole, and say what hg38 would take.

    Needs no data: sequence and sample are made up. Takes a minute or two. Everything is measured several times, in
    turn; figures are medians, with the least and the most. How busy other programs kept the processors is said.

    \b
    Example:
      epigept-batch bench --model model.onnx --device cpu
    """
    from epigept_batch.commands.bench import BenchRequest, run_bench
    from epigept_batch.inference.device import parse_device

    request = BenchRequest(model, device=parse_device(device), batch_size=batch_size, threads=threads, repeats=repeats)
    with ProgressBar() as progress:
        figures = run_bench(request, progress)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for name, value in _rows(figures):
        click.echo(f"{name:32}  {value}")


def _rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures as names and values."""
    yield "device", f"{figures['device']}, {figures['arithmetic']}, {figures['provider']} of {figures['runtime']}"
    yield "batch size, threads", f"{figures['batch_size']}, {figures['threads']}"
    repeats = len(figures["repeats"])
    yield "", f"windows per second, median of {repeats} (least to most)" if repeats > 1 else "windows per second"
    for name, spread in figures["spread"].items():
        yield name, _spread(spread, repeats)
    yield "GFLOP per window", f"{figures['gflop_per_window']:,.3g}"
    if figures["share_of_peak"] is not None:
        yield "share of this device's products", f"{figures['share_of_peak']:.0%}"
    of = " of float32" if figures["precision"] == "int8" else ""
    yield "products, GFLOP/s", f"{figures['measured_peak_gflops']:,.0f}{of}"
    yield "", "hg38, hours"
    for name, hours in figures["hg38_hours"].items():
        yield name, f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"
    yield "memory at most", f"{figures['peak_memory_bytes'] / 1e9:.2f} GB"
    yield "other programs", _bystanders(figures)


def _spread(spread: Mapping[str, float], repeats: int) -> str:
    """A rate, and how much the repeats differ."""
    middle = _rate(spread["median"])
    return middle if repeats == 1 else f"{middle} ({_rate(spread['least'])} to {_rate(spread['most'])})"


def _rate(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004


def _bystanders(figures: Mapping[str, Any]) -> str:
    """How much of the processors others took, and what that means for the figures."""
    if figures["others_share"] is None:
        return "how much of the processors they took is not known here"
    took = f"took {figures['others_share']:.0%} of the processors"
    if not figures["busy"]:
        return took
    return f"{took} meanwhile: the machine was busy, and alone it is faster than these figures say"
