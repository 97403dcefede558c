"""`epigept-batch screen`: request, plan, run, resume."""
