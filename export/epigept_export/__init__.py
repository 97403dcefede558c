"""The training side of epigept-batch: trains networks, and converts a checkpoint to one model file."""

import epigept_batch  # noqa: F401 - it switches off telemetry before any library is loaded
