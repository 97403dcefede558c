"""`epigept-batch compare`."""
