"""How the exporter's process is held."""

from __future__ import annotations

import sys

import pytest

from epigept_batch.setup import exporter

SLOW_TO_END = """
import signal, sys, time
from pathlib import Path

def end(*_):
    time.sleep(0.6)
    Path(sys.argv[-1].removeprefix("--output=")).write_text("tidied")
    sys.exit(130)

signal.signal(signal.SIGTERM, end)
print("one\\ntwo", file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_a_converter_that_takes_its_time_to_end_is_waited_for(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "PROGRAM", (sys.executable, "-c", SLOW_TO_END))
    with pytest.raises(KeyboardInterrupt):
        exporter.convert({"checkpoint": tmp_path / "a.ckpt"}, "fp32", tmp_path / "a.onnx", interrupted)
    assert (tmp_path / "a.onnx").read_text() == "tidied"
