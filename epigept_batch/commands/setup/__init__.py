"""`epigept-batch setup`: plan and run."""
