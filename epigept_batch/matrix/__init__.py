"""Values of regions or bins of many tracks: a matrix of regions and columns SAMPLE.TRACK, and its files."""
