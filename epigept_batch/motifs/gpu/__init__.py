"""The motif scan on NVIDIA GPUs."""
