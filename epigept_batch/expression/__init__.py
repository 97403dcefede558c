"""Convert RNA-seq quantifications of any program to the factor vectors that the network reads."""
