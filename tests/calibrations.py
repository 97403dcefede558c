"""Write calibration files that say where the prediction beats the mean of the training cells."""

import numpy as np

from epigept_batch.calibration.calibration_file import Levels, Series, TrackCalibration, write_calibration
from epigept_batch.calibration.curves import Curve, Reliability


def write_levels(path, tracks, *, model, bin_bp):
    """Write a file; return its path.

    Args:
        path: The file.
        tracks: By track, for each level of the mean its lowest value and whether the prediction beats the mean there.
        model: SHA-256 of the model.
        bin_bp: Base pairs per bin.
    """
    curve = Curve(np.array([0.0, 1.0]), np.array([1000, 100]), np.array([150, 80]))
    series = Series(curve, Reliability(np.array([0.0]), np.array([1000]), np.array([150])), 0.5)
    found = {}
    for name, levels in tracks.items():
        lower, beats = (np.array(column) for column in zip(*levels, strict=True))
        some = np.full(len(lower), 100)
        of = Levels(
            lower, some, some // 2, np.where(beats, 0.1, 0.3), np.full(len(lower), 0.2), np.full(len(lower), 0.01)
        )
        found[name] = TrackCalibration(series, series, of, {"held": curve})
    write_calibration(path, found, model=model, samples=["held"], contigs=["one"], bin_bp=bin_bp, account={})
    return path
