"""Tracks: reading and writing bigWigs, and the record of a run."""
