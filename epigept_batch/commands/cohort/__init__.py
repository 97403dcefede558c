"""`epigept-batch cohort`: one module per command, and the engines that run units."""
