"""Windows to signals, in order."""
