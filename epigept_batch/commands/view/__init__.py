"""`epigept-batch view`: the server's run, and live what-if questions."""
