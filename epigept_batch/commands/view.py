"""Run `epigept-batch view`: serve a run's folder to a browser on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.browser.igv_js import INSTALL, find_igv_js
from epigept_batch.browser.keys import Keys
from epigept_batch.browser.page_data import make_page
from epigept_batch.browser.tracks import Measured
from epigept_batch.errors import DeviceError
from epigept_batch.results.folder import read_run_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class ViewRequest:
    """What a user asks for.

    Attributes:
        folder: An output folder of `genome` or `contacts`.
        samples: Names of the samples; empty for all.
        fasta: The genome; None for the FASTA that the run read.
        genes: Gene models; None without.
        measured: Path of measured bigWigs with {sample} and {track}; None without.
        measured_space: What these hold, `linear` or `log1p`.
        port: The port; None for a free one.
    """

    folder: Path
    samples: tuple[str, ...] = ()
    fasta: Path | None = None
    genes: Path | None = None
    measured: str | None = None
    measured_space: str = "linear"
    port: int | None = None


@dataclass(frozen=True)
class Address:
    """Where the page is.

    Attributes:
        port: The port on 127.0.0.1.
        url: The page's URL, with the token.
        once: A URL that opens the page once, for programs that open a browser.
        notes: What the user should know of the page.
    """

    port: int
    url: str
    once: str
    notes: tuple[str, ...]


def run_view(request: ViewRequest, ready: Callable[[Address], None]) -> None:
    """Serve the page until the process is interrupted.

    Args:
        request: What to do.
        ready: Called when the page can be opened.

    Raises:
        EpiGePTError: An error that the user can fix, in one line.
        KeyboardInterrupt: The process was interrupted.
    """
    igv_js = find_igv_js()
    try:
        from epigept_batch.browser.server import make_app
        from epigept_batch.browser.serving import ADDRESS, listen, make_server
    except ImportError as error:
        raise DeviceError(f"view requires Starlette and uvicorn; {INSTALL}") from error
    measured = None if request.measured is None else Measured(request.measured, request.measured_space)
    folder = read_run_folder(request.folder, request.samples)
    page = make_page(folder, fasta=request.fasta, genes=request.genes, measured=measured)
    keys = Keys()
    with listen(request.port) as listening:
        port = listening.getsockname()[1]
        base = f"http://{ADDRESS}:{port}/?token="
        ready(Address(port, f"{base}{keys.token}", f"{base}{keys.once()}", page.notes))
        make_server(make_app(page, keys, igv_js.path)).run(sockets=[listening])
