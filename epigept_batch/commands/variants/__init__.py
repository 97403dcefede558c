"""`epigept-batch variants`: plan, run, outputs."""
