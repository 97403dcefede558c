"""`python -m epigept_batch`: the `epigept-batch` of this Python, wherever scripts are installed."""

from __future__ import annotations

from epigept_batch.cli.main import main

main()
