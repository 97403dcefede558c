"""`python -m epigept_export`: the `epigept-export` of this Python, wherever scripts are installed."""

from __future__ import annotations

from epigept_export.cli import main

main()
