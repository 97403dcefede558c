"""`python -m epigept_batch`: run the `epigept-batch` of this Python, wherever its scripts are installed."""

from __future__ import annotations

from epigept_batch.cli.main import main

if __name__ == "__main__":  # not in the processes that a run starts
    main()
