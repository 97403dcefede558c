"""The public Python API, whose names `epigept_batch` gives: semantic versioning holds for them and for nothing else."""
