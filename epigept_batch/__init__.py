"""epigept-batch: genome-wide epigenomic tracks from RNA-seq with EpiGePT."""

__version__ = "0.1.0"
