"""A synthetic genome, cells and signals that follow a stated grammar, so that the truth is known."""
