"""A run over the windows of a genome for several samples, which every command that writes predictions shares."""
