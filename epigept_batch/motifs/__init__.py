"""Motifs: files, thresholds, scan and stored scores."""
