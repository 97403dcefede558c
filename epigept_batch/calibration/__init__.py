"""From predicted values to peaks: what a threshold finds, measured on held-out cells."""
