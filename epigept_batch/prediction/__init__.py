"""Predict signals for windows, in order."""
