"""Set each factor in turn to another value, and measure how the signal of regions changes."""
