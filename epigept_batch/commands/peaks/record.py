"""The record of the peaks of a sample: which rule they follow, and what it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.commands.peaks.rules import CALIBRATION
from epigept_batch.errors import InputError
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.intervals.cutoff import SMALLEST
from epigept_batch.intervals.peaks import NARROW
from epigept_batch.results.peaks import RUN_FINISHED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.commands.peaks.files import PeakFiles
    from epigept_batch.commands.peaks.request import PeaksRequest
    from epigept_batch.commands.peaks.rules import TrackRule
    from epigept_batch.results.folder import ResultTrack, SampleResults

RULE = (
    "A peak is a run of bins whose predicted ln(1 + signal) is at least edge_threshold, at least one of them at least "
    "threshold. Stretches of lower bins of at most max_gap_bp may lie inside. A narrow peak is split at valleys "
    "that are lower than the lower summit beside them by more than prominence times its height."
)
SHOWN: dict[str, Any] = {"file": str, "peaks": int, "covered_bp": int, "threshold": float}
"""Fields of a track that the command shows, also of a record that it did not write just now."""
COLUMNS = {
    "score": "1000 × ln(1 + signalValue) / ln(1 + signal_of_score_1000), rounded down",
    "signalValue": "predicted signal, not its logarithm: at the summit (narrowPeak) or mean of the bins (broadPeak)",
    "pValue, qValue": "-1: not computed",
    "peak": "offset of the summit from the start: the centre of the highest bins",
}


def inputs_of(
    request: PeaksRequest,
    tracks: Sequence[ResultTrack],
    rules: Mapping[str, TrackRule],
    calibration: Calibration | None,
) -> dict[str, Any]:
    """Return what the peaks of a sample are made from; a rerun with the same is up to date.

    Args:
        request: What the user asks for.
        tracks: The tracks of the sample.
        rules: The rule of each track.
        calibration: The file of thresholds, if there is one.
    """
    named = {track.name: rules[track.name] for track in tracks}
    return {
        "set of tracks": list(named),
        "content of the bigWigs": {track.name: file_sha256(track.path) for track in tracks},
        "calibration": None if calibration is None else calibration.sha256,
        "threshold": {name: rule.threshold for name, rule in named.items()},
        "source of the threshold": {name: dict(rule.source) for name, rule in named.items()},
        "--top": request.top,
        "format": {name: rule.form for name, rule in named.items()},
        "--low": {name: rule.low for name, rule in named.items()},
        "--max-gap": {name: rule.gap for name, rule in named.items()},
        "--min-length": {name: rule.least for name, rule in named.items()},
        "--prominence": request.prominence,
        "--bigbed": request.bigbed,
    }


def account_of_rule(rule: TrackRule, threshold: float, *, bin_bp: int) -> dict[str, Any]:
    """Return what the record says of the rule of a track, JSON-compatible.

    Args:
        rule: The rule.
        threshold: Its threshold, ln(1 + signal).
        bin_bp: Base pairs per bin.
    """
    return {
        **rule.source,
        "meaning": _meaning(rule, threshold),
        "format": rule.form,
        "threshold": threshold,
        "threshold_as_signal": float(np.expm1(threshold)),
        "edge_threshold": rule.hysteresis(threshold).low,
        "max_gap_bp": rule.gap * bin_bp,
        "min_length_bp": rule.least * bin_bp,
        "prominence": rule.prominence if rule.form == NARROW else None,
        "top": rule.top,
    }


def _meaning(rule: TrackRule, threshold: float) -> str:
    """Return what the threshold of a track means, and what applies to fewer or other bins than it."""
    parts = [rule.meaning]
    if rule.threshold is None and threshold <= SMALLEST:
        parts.append("Here that value is 0, so the candidates are peaks with any signal.")
    if rule.threshold is not None and rule.top is not None:
        parts.append(f"Of these peaks, the {rule.top:,} strongest are kept.")
    if rule.source["rule"] == CALIBRATION and (rule.low < 1 or rule.gap):
        lower = "from edge_threshold up" if rule.low < 1 else "in gaps of at most max_gap_bp"
        parts.append(f"Peaks also contain lower bins {lower}, of which fewer lie in measured peaks.")
    return " ".join(parts)


def make_record(
    sample: SampleResults,
    tracks: Mapping[str, Mapping[str, Any]],
    inputs: Mapping[str, Any],
    *,
    bigwigs: Sequence[ResultTrack],
    calibration: Calibration | None,
    bin_bp: int,
) -> dict[str, Any]:
    """Return the record of the peaks of a sample, JSON-compatible.

    Args:
        sample: The sample.
        tracks: What is known of the peaks of each track.
        inputs: What they were made from.
        bigwigs: The tracks.
        calibration: The file of thresholds, if there is one.
        bin_bp: Base pairs per bin.
    """
    return {
        "sample": sample.name,
        "rule": RULE,
        "columns": COLUMNS,
        "tracks": tracks,
        "calibration": None
        if calibration is None
        else {
            "path": str(calibration.path.resolve()),
            "sha256": calibration.sha256,
            "model_sha256": calibration.model,
            "cells": list(calibration.samples),
            "notes": list(calibration.notes),
            "contigs": list(calibration.contigs),
        },
        "model_sha256": model_of(sample),
        "bin_bp": bin_bp,
        RUN_FINISHED: sample.record.get("finished"),
        "bigwigs": {
            one.path.name: {"bytes": one.path.stat().st_size, "sha256": inputs["content of the bigWigs"][one.name]}
            for one in bigwigs
        },
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"epigept-batch": epigept_batch.__version__},
        "inputs": inputs,
    }


def model_of(sample: SampleResults) -> str:
    """Return the SHA-256 of the model file that made the tracks of a sample; empty if it is not recorded."""
    return str(sample.record.get("inputs", {}).get("model", ""))


def read_peaks_record(files: PeakFiles) -> dict[str, Any]:
    """Read the record of peaks that are up to date.

    Raises:
        InputError: It was edited.
    """
    record: dict[str, Any] = json.loads(files.record.read_text(encoding="utf-8"))
    tracks = record.get("tracks")
    if not isinstance(tracks, dict) or not all(
        isinstance(track, dict) and track.keys() >= SHOWN.keys() and all(isinstance(track[k], SHOWN[k]) for k in SHOWN)
        for track in tracks.values()
    ):
        raise InputError(
            "'tracks' is not what the program writes, so the file was edited; rerun the command with --force",
            files.record,
        )
    return record
