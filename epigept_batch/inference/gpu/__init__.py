"""The network on NVIDIA GPUs."""
