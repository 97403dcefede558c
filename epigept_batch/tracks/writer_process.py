"""A process that writes bigWigs, told what by its standard input; `python -m` of it is run by `writers`.

It ends with its input: where that stops before the files were asked to be closed, as when the run is killed, it
removes what it has written.
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

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE, REFUSED, FAILED = "done", "refused", "failed"


def main() -> None:
    """Write what comes; answer once, at the end or when something fails."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run that feeds it decides, and may end in peace under nohup
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr
    try:
        _write(sys.stdin.buffer)
        answer = (DONE, "")
    except EpiGePTError as error:
        answer = (REFUSED, str(error))
    except Exception:  # noqa: BLE001 - whatever it is, the run says it
        answer = (FAILED, traceback.format_exc())
    try:
        pickle.dump(answer, answers)
        answers.flush()
    except BrokenPipeError:
        os._exit(1)  # the run was killed: nobody hears, and Python's own end would try to tell again


def _write(messages: BinaryIO) -> None:
    """The files of the first message with the values of the others."""
    source = _messages(messages)
    first = next(source, None)
    if first is None:
        return
    paths, contigs, bin_bp = first
    writers = [BigWigWriter(path, contigs, bin_bp=bin_bp, temporary=temporary) for path, temporary in paths]
    finished = False
    try:
        for message in source:
            if message is None:
                for writer in writers:
                    writer.close()
                finished = True
                return
            contig, first_bin, content = message
            values = np.frombuffer(content, dtype=np.float32).reshape(len(writers), -1)
            for writer, track in zip(writers, values, strict=True):
                writer.write(contigs[contig], first_bin, track)
    finally:
        if not finished:
            for writer in writers:
                writer.discard()


def _messages(stream: BinaryIO) -> Iterator[Any]:
    """Messages up to the end; one that is cut short is none."""
    while True:
        try:
            yield pickle.load(stream)  # noqa: S301 - from our own process
        except (EOFError, pickle.UnpicklingError):
            return


if __name__ == "__main__":
    main()
