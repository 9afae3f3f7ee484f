"""GLAM (ICASSP 2022) reproduced, and a bench for speech emotion recognition on small corpora."""

__version__ = "0.1.0"
