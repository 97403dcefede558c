"""`epigept-batch genome`: plan, run, resume, journal."""
