"""A process that writes bigWigs from messages on its standard input; `writers` starts it with `python -m`.

It ends when its input ends. If that happens before it was told to close the files, as when the run is killed, it
removes them.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from epigept_batch.errors import EpiGePTError
from epigept_batch.tracks.bigwig import BigWigWriter
from epigept_batch.tracks.statistics import BinStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DONE, REFUSED, FAILED = "done", "refused", "failed"


def main() -> None:
    """Write what arrives; answer once, at the end or on failure."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run that feeds it decides when to stop, also under nohup
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr
    try:
        answer: tuple[str, Any] = (DONE, _write(sys.stdin.buffer))
    except EpiGePTError as error:
        answer = (REFUSED, str(error))
    except Exception:  # noqa: BLE001 - the run reports it, whatever it is
        answer = (FAILED, traceback.format_exc())
    try:
        pickle.dump(answer, answers)
        answers.flush()
    except BrokenPipeError:
        os._exit(1)  # the run was killed: nobody reads the answer, and Python would try to flush it again at exit


def _write(messages: BinaryIO) -> list[dict[str, Any]]:
    """Write the files that the first message names, with the values of the other messages; return their statistics."""
    source = _messages(messages)
    first = next(source, None)
    if first is None:
        return []
    paths, contigs, bin_bp = first
    writers = [BigWigWriter(path, contigs, bin_bp=bin_bp, temporary=temporary) for path, temporary in paths]
    statistics = [BinStatistics() for _ in writers]
    finished = False
    try:
        for message in source:
            if message is None:
                for writer in writers:
                    writer.close()
                finished = True
                break
            contig, first_bin, content = message
            values = np.frombuffer(content, dtype=np.float32).reshape(len(writers), -1)
            for writer, counted, track in zip(writers, statistics, values, strict=True):
                for start, end in _with_values(track):
                    writer.write(contigs[contig], first_bin + start, track[start:end])
                    counted.add(track[start:end])
    finally:
        if not finished:
            for writer in writers:
                writer.discard()
    return [
        {**counted.account(), "covered_bp": writer.covered_bp}
        for counted, writer in zip(statistics, writers, strict=True)
    ]


def _with_values(track: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each run of bins that are not NaN."""
    edges = np.flatnonzero(np.diff(~np.isnan(track), prepend=False, append=False))
    return ((int(start), int(end)) for start, end in edges.reshape(-1, 2))


def _messages(stream: BinaryIO) -> Iterator[Any]:
    """Yield messages until the end; a truncated message counts as the end."""
    while True:
        try:
            yield pickle.load(stream)  # noqa: S301 - from our own process
        except (EOFError, pickle.UnpicklingError):
            return


if __name__ == "__main__":
    main()
