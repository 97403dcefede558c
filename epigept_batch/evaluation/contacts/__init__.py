"""Compares predicted contacts with measured ones, with loops and with tested pairs, and with baselines."""
