"""Layers of many runs at once as few kernels of an NVIDIA GPU."""
