"""`epigept-batch bench`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import batch_size_option, device_option, model_option, threads_option
from epigept_batch.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@click.command(short_help="Measure a model on this machine.")
@model_option
@device_option("auto", "the network")
@batch_size_option
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def bench(*, model: Path, device: str, batch_size: int | None, threads: int, as_json: bool) -> None:
    """Measure the network, each stage around it, and the whole, and say what hg38 would take.

    Needs no data: sequence and sample are made up. Takes a minute or so.

    \b
    Example:
      epigept-batch bench --model model.onnx --device cpu
    """
    from epigept_batch.bench_pipeline import BenchRequest, run_bench
    from epigept_batch.inference.device import parse_device

    request = BenchRequest(model, device=parse_device(device), batch_size=batch_size, threads=threads)
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
    yield "", "windows a second"
    for name, rate in figures["windows_per_second"].items():
        yield name, f"{rate:,.2f}" if rate < 10 else f"{rate:,.0f}"  # noqa: PLR2004
    if figures["share_of_peak"] is not None:
        yield "GFLOP a window", f"{figures['gflop_per_window']:,.3g}"
        yield "share of this device's products", f"{figures['share_of_peak']:.0%}"
    yield "products, GFLOP/s", f"{figures['measured_peak_gflops']:,.0f}"
    yield "", "hg38, hours"
    for name, hours in figures["hg38_hours"].items():
        yield name, f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"
    yield "memory at most", f"{figures['peak_memory_bytes'] / 1e9:.2f} GB"
