"""The demo's model and its linear baseline, as package data."""
