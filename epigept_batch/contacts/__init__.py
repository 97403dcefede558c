"""Contact maps: made from windows, written, and read from files of measured contacts."""
