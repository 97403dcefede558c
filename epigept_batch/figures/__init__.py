"""Plots of regions, drawn with matplotlib."""
