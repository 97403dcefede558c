"""`epigept-batch peaks`: the peaks of a run's tracks."""
