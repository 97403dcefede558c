"""`epigept-batch simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from epigept_batch.cli.options import out_option, threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Simulate a genome, cells and signals with known truth.")
@out_option("Folder to create.", required=True)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed; the same seed gives the same data."
)
@click.option(
    "--contigs", type=click.IntRange(min=1), default=27, show_default=True, help="Number of contigs: sim1, sim2, …"
)
@click.option(
    "--contig-bp",
    type=click.IntRange(min=10_000),
    default=2_000_000,
    show_default=True,
    help="Length of each contig, in bp.",
)
@click.option(
    "--cells", type=click.IntRange(min=1), default=40, show_default=True, help="Number of cells: cell1, cell2, …"
)
@click.option(
    "--contacts",
    is_flag=True,
    help="Also write which bins touch in each cell: a map and its loops. Requires the [contacts] extra.",
)
@threads_option
@quiet_option
def simulate(*, out: Path, seed: int, contigs: int, contig_bp: int, cells: int, contacts: bool, threads: int) -> None:
    """Simulate a genome with motif sites, cells that express factors, and the signals that follow from both.

    The signals obey a documented grammar: additive factors and their repressors, pairs that act only together, and
    enhancers that switch promoters 10 kb away. The folder has all that training needs: FASTA, motifs, expression and
    bigWigs.

    With --contacts, bins with CTCF sites that point at each other, 4 to 64 kb apart, form loops. Their strength depends
    on the occupancy in the cell. CELL.contacts.cool has the map at 1,024 bp, where contacts also decay with distance;
    CELL.contacts.bedpe lists the loops with their strength. Both are in the folder contacts.

    \b
    Example:
      epigept-batch simulate --out simulated
    """
    from epigept_batch.commands.simulate import SimulateRequest, run_simulate

    request = SimulateRequest(
        out, seed=seed, contigs=contigs, contig_bp=contig_bp, cells=cells, threads=threads, contacts=contacts
    )
    with ProgressBar("contig") as progress:
        run_simulate(request, progress)
