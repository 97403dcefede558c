"""epigept-batch: genome-wide epigenomic tracks from RNA-seq with EpiGePT."""

from epigept_batch.machine.environment import send_nothing

__version__ = "0.1.0"

# Here, for whichever module is imported first: ONNX Runtime decides once, while it is loaded.
send_nothing()
