"""Run `epigept-batch view`: serve a run's folder to a browser on this machine."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.browser.igv_js import INSTALL, find_igv_js
from epigept_batch.browser.keys import Keys
from epigept_batch.browser.page_data import make_page
from epigept_batch.browser.tracks import Measured
from epigept_batch.commands.view.live import LiveModel, LiveRequest
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.inference.device import AUTO, Device
from epigept_batch.results.folder import read_run_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.results.folder import RunFolder


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
        live: A model file to answer what-if questions with; None without.
        tables: The samples' expression, for these questions; None without.
        device: Device on which the model runs.
        threads: Number of CPU threads for it.
    """

    folder: Path
    samples: tuple[str, ...] = ()
    fasta: Path | None = None
    genes: Path | None = None
    measured: str | None = None
    measured_space: str = "linear"
    port: int | None = None
    live: Path | None = None
    tables: SampleRequest | None = None
    device: Device = AUTO
    threads: int = 1


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


def run_view(request: ViewRequest, ready: Callable[[Address], None], say: Callable[[str], None]) -> None:
    """Serve the page until the process is interrupted.

    Args:
        request: What to do.
        ready: Called when the page can be opened.
        say: Called with a sentence for the user.

    Raises:
        EpiGePTError: An error that the user can fix, in one line.
        KeyboardInterrupt: The process was interrupted.
    """
    igv_js = find_igv_js()
    try:
        from epigept_batch.browser.live import live_routes
        from epigept_batch.browser.server import make_app
        from epigept_batch.browser.serving import ADDRESS, listen, make_server
    except ImportError as error:
        raise DeviceError(f"view requires Starlette and uvicorn; {INSTALL}") from error
    _check_live(request)
    measured = None if request.measured is None else Measured(request.measured, request.measured_space)
    folder = read_run_folder(request.folder, request.samples)
    page = make_page(folder, fasta=request.fasta, genes=request.genes, measured=measured, live=request.live is not None)
    keys = Keys()
    with ExitStack() as stack:
        live = None if request.live is None else stack.enter_context(_live_model(request, folder, say))
        further = () if live is None else live_routes(live)
        listening = stack.enter_context(listen(request.port))
        port = listening.getsockname()[1]
        base = f"http://{ADDRESS}:{port}/?token="
        ready(Address(port, f"{base}{keys.token}", f"{base}{keys.once()}", page.notes))
        make_server(make_app(page, keys, igv_js.path, further)).run(sockets=[listening])


def _check_live(request: ViewRequest) -> None:
    """Check that options of what-if questions are complete.

    Raises:
        InputError: The model or the expression is missing.
    """
    if request.live is None and request.tables is not None:
        raise InputError("--tpm is the expression for what-if questions; add --live MODEL, or omit it")
    if request.live is not None and request.tables is None:
        raise InputError(f"--live {request.live}: requires the samples' expression; add --tpm FILE or --samples SHEET")


def _live_model(request: ViewRequest, folder: RunFolder, say: Callable[[str], None]) -> LiveModel:
    """Load the model for what-if questions.

    Raises:
        EpiGePTError: The model, the genome or the expression cannot be used.
    """
    fasta = request.fasta or folder.fasta
    if request.live is None or request.tables is None or fasta is None or not fasta.is_file():
        raise InputError(f"--live {request.live}: requires the genome of the run, which is not at {fasta}; add --fasta")
    live = LiveRequest(
        samples=request.tables, model=request.live, fasta=fasta, device=request.device, threads=request.threads
    )
    return LiveModel(live, folder, say)
