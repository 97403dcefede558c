"""`epigept-batch bench`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import batch_size_option, device_option, json_option, model_option, threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@click.command(short_help="Measure a model's speed on this machine.")
@model_option
@device_option("auto", "the network")
@batch_size_option
@threads_option
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Number of measurements.")
@json_option("the figures, with those of each repeat,")
@quiet_option
def bench(*, model: Path, device: str, batch_size: int | None, threads: int, repeats: int, as_json: bool) -> None:
    """Measure the network, each stage and the whole run, and estimate the time for hg38.

    Needs no data: sequence and sample are synthetic. Takes one or two minutes. Prints the median, least and most of
    several measurements, and how busy other programs kept the processors.

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
    """Yield the figures as names and values."""
    yield "device", f"{figures['device']}, {figures['arithmetic']}, {figures['provider']} of {figures['runtime']}"
    if (gpu := figures.get("gpu")) is not None:
        yield "GPU", f"{gpu['name']}, driver {gpu['driver'] or 'unknown'}, {gpu['memory_bytes'] / 1e9:.0f} GB"
        yield "attention", ", ".join(gpu["attention"]) or "ONNX Runtime does not say"
    yield "batch size, threads", f"{figures['batch_size']}, {figures['threads']}"
    repeats = len(figures["repeats"])
    yield "", f"windows per second, median of {repeats} (least to most)" if repeats > 1 else "windows per second"
    for name, spread in figures["spread"].items():
        yield name, _spread(spread, repeats)
    yield "GFLOP per window", f"{figures['gflop_per_window']:,.3g}"
    if figures["share_of_peak"] is not None:
        yield "share of the device's peak", f"{figures['share_of_peak']:.0%}"
    of = " of float32" if figures["precision"] == "int8" else ""
    yield "peak of matrix products, GFLOP/s", f"{figures['measured_peak_gflops']:,.0f}{of}"
    yield "", "hg38, hours"
    for name, hours in figures["hg38_hours"].items():
        yield name, f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"
    yield "peak memory", f"{figures['peak_memory_bytes'] / 1e9:.2f} GB"
    yield "other programs", _bystanders(figures)


def _spread(spread: Mapping[str, float], repeats: int) -> str:
    """Return a rate and the range of its repeats."""
    middle = _rate(spread["median"])
    return middle if repeats == 1 else f"{middle} ({_rate(spread['least'])} to {_rate(spread['most'])})"


def _rate(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004


def _bystanders(figures: Mapping[str, Any]) -> str:
    """Return the share of the processors that other programs used, and what that means."""
    if figures["others_share"] is None:
        return "unknown share of the processors"
    took = f"used {figures['others_share']:.0%} of the processors"
    if not figures["busy"]:
        return took
    return f"{took}: the machine was busy, and is faster when idle"
