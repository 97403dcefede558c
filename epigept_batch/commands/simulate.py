"""The run of `epigept-batch simulate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import OutputError
from epigept_batch.files import filling, make_folder
from epigept_batch.simulation.write import Simulation, write_simulation

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.progress import Progress


@dataclass(frozen=True)
class SimulateRequest:
    """What a user asks for.

    Attributes:
        out: Folder for the data.
        seed: Seed of all random draws.
        contigs: Number of contigs: sim1, sim2, …
        contig_bp: Length of each contig.
        cells: Number of cells: cell1, cell2, …
        threads: Number of threads that scan.
        contacts: Whether to write contacts between bins too.
    """

    out: Path
    seed: int
    contigs: int
    contig_bp: int
    cells: int
    threads: int = 1
    contacts: bool = False


def run_simulate(request: SimulateRequest, progress: Progress) -> None:
    """Write the data.

    Raises:
        OutputError: The folder is not empty, or it cannot be written.
        DeviceError: A library that contacts require is not installed.
    """
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise OutputError("exists and is not an empty folder; choose another --out", request.out)
    make_folder(request.out)
    simulation = Simulation(
        seed=request.seed,
        contigs=tuple(f"sim{number}" for number in range(1, request.contigs + 1)),
        contig_bp=request.contig_bp,
        cells=tuple(f"cell{number}" for number in range(1, request.cells + 1)),
        contacts=request.contacts,
    )
    with filling(request.out) as folder:
        write_simulation(folder, simulation, threads=request.threads, progress=progress)
    size = request.contigs * request.contig_bp / 1e6
    contacts = ", with contacts" if request.contacts else ""
    progress.finish(f"{request.out}: {size:g} Mb in {request.contigs} contigs, {request.cells} cells{contacts}")
