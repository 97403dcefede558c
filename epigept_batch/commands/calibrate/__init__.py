"""`epigept-batch calibrate`."""
