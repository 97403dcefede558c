"""Where samples, or groups of samples, differ in their predicted tracks."""
