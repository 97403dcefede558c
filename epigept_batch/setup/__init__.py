"""Fetches the files that real runs require, and installs them in the folder where runs look for them."""
