"""One run: losses, draws, steps. Here and in glam.models, modules that compute import torch at once."""
