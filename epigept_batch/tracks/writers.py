"""Write all tracks of a run to bigWigs in separate processes, so that the run does not wait for them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import OutputError
from epigept_batch.files import publish, sync_file, temporary_beside
from epigept_batch.tracks.writer_process import DONE, REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

PIPE_BYTES = 1 << 20
"""Size of the pipe to a process: some tens of windows of eight tracks; `write` waits while it is full."""


class TrackWriters:
    """Writes the bigWigs of a run; they have hidden names until `publish`, and `discard` removes them.

    Args:
        paths: Their final names.
        contigs: All contigs of the FASTA, in its order.
        bin_bp: Base pairs per bin.
        processes: Number of writing processes; at least one.

    Raises:
        OutputError: A file cannot be written. Every method may raise it.
    """

    def __init__(self, paths: Sequence[Path], contigs: Sequence[Contig], *, bin_bp: int, processes: int) -> None:
        self._numbers = {contig: number for number, contig in enumerate(contigs)}
        self._files: list[tuple[Path, Path]] = []
        self._processes: list[_Process] = []
        self.statistics: list[dict[str, Any]] = []
        """Statistics of each file after `close`, see `BinStatistics.account`."""
        processes = max(1, min(processes, len(paths)))
        try:
            for path in paths:
                self._files.append((path, _temporary(path)))
            for number in range(processes):
                process = _Process()
                self._processes.append(process)
                process.send((self._files[number::processes], tuple(contigs), bin_bp))
        except BaseException:
            self.discard()
            raise

    @property
    def pids(self) -> list[int]:
        """Ids of the writing processes."""
        return [process.pid for process in self._processes]

    def write(self, contig: Contig, first_bin: int, values: NDArray[np.float32]) -> None:
        """Append successive bins to every track.

        Args:
            contig: The contig; successive calls must follow the header's order.
            first_bin: The first bin, after those already written.
            values: float32, (tracks, bins), one row per path; bins that are NaN are left out of that track.
        """
        step = len(self._processes)
        for number, process in enumerate(self._processes):
            share = np.ascontiguousarray(values[number::step], dtype=np.float32)
            process.send((self._numbers[contig], first_bin, share.tobytes()))

    def close(self) -> None:
        """Finish every file and sync it to disk, so that `publish` is unlikely to fail."""
        for process in self._processes:
            process.send(None)
        shares = [process.finish() for process in self._processes]
        step = len(self._processes)
        self.statistics = [shares[number % step][number // step] for number in range(len(self._files))]
        for path, temporary in self._files:
            _sync(temporary, path)

    def publish(self) -> None:
        """Give the closed files their final names."""
        for path, temporary in self._files:
            publish(temporary, path)

    def discard(self) -> None:
        """Stop all processes, and remove the files unless they are published."""
        # Files first: if this is interrupted between the two, the processes can still remove the rest themselves.
        for _, temporary in self._files:
            temporary.unlink(missing_ok=True)
        for process in self._processes:
            process.stop()


def _temporary(path: Path) -> Path:
    try:
        return temporary_beside(path)
    except OSError as error:
        raise OutputError(
            f"cannot be created: {error.strerror}; free some space or choose another --out", path
        ) from error


def _sync(temporary: Path, path: Path) -> None:
    try:
        sync_file(temporary)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}; free some space or choose another --out", path
        ) from error


class _Process:
    """A `writer_process` and the pipes to it."""

    def __init__(self) -> None:
        folders = [folder for folder in sys.path if folder]
        self._process = subprocess.Popen(
            # Without -P, a file in the current folder could shadow a module.
            [sys.executable, "-P", "-m", "epigept_batch.tracks.writer_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
            process_group=0,  # Ctrl-C at a terminal goes to the run, which then ends this process
        )
        self.pid = self._process.pid
        self._in, self._out = _open(self._process.stdin), _open(self._process.stdout)
        _widen(self._in)

    def send(self, message: object) -> None:
        """Send a message; waits while the pipe is full."""
        try:
            pickle.dump(message, self._in, protocol=5)
            self._in.flush()
        except BrokenPipeError:
            self.finish()
            raise OutputError("a process that writes bigWigs ended early; rerun") from None

    def finish(self) -> list[dict[str, Any]]:
        """Wait until the process ends, and return the statistics of its files.

        Raises:
            OutputError: It could not write, or was killed.
            RuntimeError: It failed for another reason.
        """
        with suppress(BrokenPipeError):
            self._in.close()
        try:
            kind, answer = pickle.load(self._out)  # noqa: S301 - from our own process
        except (EOFError, pickle.UnpicklingError):
            code = self._process.wait()
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
            raise OutputError(
                f"a process that writes bigWigs {how}; check that there is enough memory and rerun"
            ) from None
        self._process.wait()
        if kind == REFUSED:
            raise OutputError(answer)
        if kind != DONE:
            raise RuntimeError(answer)
        statistics: list[dict[str, Any]] = answer
        return statistics

    def stop(self) -> None:
        """Kill the process if it is still running."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(BrokenPipeError):
                pipe.close()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("a process was started without its pipes")
    return pipe


def _widen(pipe: IO[bytes]) -> None:
    """Enlarge the buffer of a pipe, where the system allows it."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
