"""`epigept-batch simulate`."""

from __future__ import annotations

from pathlib import Path

import click

from epigept_batch.cli.options import threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option


@click.command(short_help="Make a genome, cells and signals of which the truth is known.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same gives the same data.")
@click.option("--contigs", type=click.IntRange(min=1), default=27, show_default=True, help="How many: sim1, sim2, …")
@click.option(
    "--contig-bp", type=click.IntRange(min=10_000), default=2_000_000, show_default=True, help="Length of each."
)
@click.option("--cells", type=click.IntRange(min=1), default=40, show_default=True, help="How many: cell1, cell2, …")
@threads_option
@quiet_option
def simulate(*, out: Path, seed: int, contigs: int, contig_bp: int, cells: int, threads: int) -> None:
    """Write a synthetic genome with motif sites, cells with expressed factors, and the signals that follow.

    The signals obey a stated grammar: additive factors and their repressors, pairs that act only together, enhancers
    that switch promoters 10 kb away. Everything that a training takes is there: FASTA, motifs, expression, bigWigs.

    \b
    Example:
      epigept-batch simulate --out simulated
    """
    from epigept_batch.commands.simulate import SimulateRequest, run_simulate

    request = SimulateRequest(out, seed=seed, contigs=contigs, contig_bp=contig_bp, cells=cells, threads=threads)
    with ProgressBar("contig") as progress:
        run_simulate(request, progress)
