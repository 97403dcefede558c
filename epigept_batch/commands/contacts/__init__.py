"""`epigept-batch contacts`: request, maps, run."""
