"""How good predicted tracks are, against measured ones and against what would have been good anyway."""
