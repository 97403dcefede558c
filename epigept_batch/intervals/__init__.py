"""Intervals of bins that stand out, such as peaks: found in a stream of values, described and written."""
