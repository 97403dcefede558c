"""Trains a network on a user's own genome, cells and tracks."""
