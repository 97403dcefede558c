"""Tracks: bigWig in and out, and the record of a run."""
