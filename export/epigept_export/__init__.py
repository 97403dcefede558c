"""The training side of epigept-batch: a checkpoint becomes one model file."""
