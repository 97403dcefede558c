"""One HTML file about a run, and its figures for MultiQC."""
