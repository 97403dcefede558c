"""The provenance of a screen."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from epigept_batch.commands.run.record import account_of_run
from epigept_batch.inference.model_file import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from epigept_batch.commands.screen.plan import ScreenPlan
    from epigept_batch.inference.session import Session


def make_screen_record(plan: ScreenPlan, sessions: Sequence[Session], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of the tables, JSON-compatible.

    Args:
        plan: Plan of the screen.
        sessions: The sessions that computed the windows.
        facts: Amounts.
    """
    return {
        "screen": {
            "factors": len(plan.samples[0].factors),
            "set_to": None if plan.request.between else plan.inputs["value of --set-to"],
            "between": plan.request.between,
            "tracks": plan.tracks,
            "values": "mean over a region's bins of ln(1 + signal), and its change",
        },
        **account_of_run(plan.run, sessions),
        "inputs": plan.inputs,
        "samples": [
            {
                **{key: value for key, value in source.source.account().items() if key != "sheet"},
                "sha256": [file_sha256(path) for path in source.source.paths],
                "factors_whose_input_changes": int(sample.differ.sum()),
            }
            for source, sample in zip(plan.sources, plan.samples, strict=True)
        ],
        "windows": len(plan.areas.tiles),
        **facts,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
