"""`python -m epigept_export`: runs `epigept-export` in this Python, wherever its scripts are installed."""

from __future__ import annotations

from epigept_export.cli import main

main()
