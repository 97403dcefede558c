"""Quantifications of RNA-seq, of any program, to the factor vectors that the network reads."""
