"""`epigept-export`, run as a program: what it needs is not needed here."""

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
    """Have the exporter load all that it needs.

    Returns:
        The libraries' versions.

    Raises:
        DeviceError: Something is missing; says what to install.
    """
    done = subprocess.run([*PROGRAM, "check"], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"epigept-export ended with {done.returncode}"])[-1]
        raise DeviceError(f"{said.removeprefix(PREFIX)}; or give a ready model file by --model")
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def convert(files: Mapping[str, Path], precision: str, output: Path, say: Callable[[str], None]) -> None:
    """Have a checkpoint converted and verified.

    Args:
        files: By asset: the checkpoint, and the others under the names of their options.
        precision: Of the arithmetic.
        output: The model file to write.
        say: Takes a sentence for the user.

    Raises:
        ModelError: What the user can mend, as the exporter says it.
        EpiGePTError: It failed otherwise.
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
            f"epigept-export convert was ended by {signal.Signals(-code).name}; conversion needs 1.5 GB of memory"
        )
    raise EpiGePTError(last or f"epigept-export convert ended with {code}")


@contextmanager
def _running(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that does not outlive the block, whatever ends that."""
    start = partial(
        subprocess.Popen[str],
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Started in a thread, which no signal interrupts: one that came just then would leave a program of nobody's.
    with ThreadPoolExecutor(1) as starter:
        starting = starter.submit(start)
        try:
            yield starting.result()
        finally:
            # Not around the whole: Popen's own block waits but a quarter of a second when left by Ctrl-C.
            with starting.result() as process:
                process.terminate()  # it cleans up as after Ctrl-C; nothing to end where it is done
