"""Motifs: their files, thresholds, scan and kept scores."""
