"""`epigept-batch evaluate`: request, plan, run."""
