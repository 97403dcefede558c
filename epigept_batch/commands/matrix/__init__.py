"""The run of `epigept-batch matrix`."""
