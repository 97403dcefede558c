"""The training side of epigept-batch: a checkpoint becomes one model file."""

import epigept_batch  # noqa: F401 - it sees to it that nothing is sent, before any library is loaded
