"""Records of how outputs were made, and whether they are up to date."""
