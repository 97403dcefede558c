"""Compares predicted tracks with measured ones, and with baselines that use no prediction."""
