"""Run the server on a port of this machine, with uvicorn."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import uvicorn

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ADDRESS = "127.0.0.1"
"""Only this machine can connect."""
LAST_SECONDS = 1
"""How long the server waits for open requests when it ends."""


def listen(port: int | None) -> socket.socket:
    """Return a socket that accepts connections from this machine.

    Args:
        port: The port; None for a free one.

    Raises:
        InputError: The port is not free, or not permitted.
    """
    try:
        return socket.create_server((ADDRESS, port or 0))
    except OSError as error:
        why = os.strerror(error.errno or 0)  # its own text repeats the address
        raise InputError(f"--port {port}: {why}; choose another, or leave the option out") from error


def make_server(app: Callable[..., Awaitable[None]]) -> uvicorn.Server:
    """Return a server that has not started; its `run` serves the sockets passed to it until Ctrl-C."""
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,  # URLs contain the token
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    return uvicorn.Server(config)
