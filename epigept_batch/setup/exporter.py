"""Runs `epigept-export` as a separate program, so that its libraries are not required here."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from epigept_batch.errors import DeviceError, EpiGePTError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PROGRAM = (sys.executable, "-P", "-m", "epigept_export")  # -P: the current folder may hold a file named as a library
PREFIX = "epigept-export: "
TO_MEND = 2


def check_exporter() -> dict[str, str]:
    """Let the exporter load all libraries that it requires.

    Returns:
        The libraries' versions.

    Raises:
        DeviceError: A library is missing; the message says what to install.
    """
    done = subprocess.run([*PROGRAM, "check"], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"epigept-export exited with code {done.returncode}"])[-1]
        raise DeviceError(f"{said.removeprefix(PREFIX)}; or provide a ready model file with --model")
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def convert(files: Mapping[str, Path], precision: str, output: Path, say: Callable[[str], None]) -> None:
    """Convert and verify a checkpoint.

    Args:
        files: Paths by asset: the checkpoint, and the others under the names of their options.
        precision: Precision of the arithmetic.
        output: The model file to write.
        say: Reports a sentence to the user.

    Raises:
        ModelError: Something that the user can fix, with the exporter's message.
        EpiGePTError: The exporter failed for another reason.
    """
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items() if name != "checkpoint"]
    words = [*PROGRAM, "convert", f"{files['checkpoint']}", *options, f"--precision={precision}", f"--output={output}"]
    lines: list[str] = []
    with _running(words) as process:
        for line in process.stderr or ():
            if lines:
                say(lines[-1])
            lines.append(line.rstrip().removeprefix(PREFIX))
        code = process.wait()
    last = lines[-1] if lines else ""
    if code == 0:
        return say(f"converted: {last.removeprefix(f'{output}: ')}")
    if code == TO_MEND:
        raise ModelError(last)
    if code < 0:
        raise EpiGePTError(
            f"epigept-export convert was stopped by {signal.Signals(-code).name}; conversion requires 1.5 GB of memory"
        )
    raise EpiGePTError(last or f"epigept-export convert exited with code {code}")


@contextmanager
def _running(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program, and end it when the block ends for any reason."""
    start = partial(
        subprocess.Popen[str],
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Started in a thread, which signals do not interrupt: a signal at this moment would orphan the program.
    with ThreadPoolExecutor(1) as starter:
        starting = starter.submit(start)
        try:
            yield starting.result()
        finally:
            # Popen's own block is not used for the whole, because it waits only 0.25 s when Ctrl-C ends it.
            with starting.result() as process:
                process.terminate()  # it cleans up as after Ctrl-C; no effect if it has ended
