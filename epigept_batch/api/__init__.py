"""The public Python API. `epigept_batch` exports its names; semantic versioning covers only these names."""
