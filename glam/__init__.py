"""GLAM (ICASSP 2022) reproduced, and a bench for speech emotion recognition on small corpora."""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

# What a notebook wants, imported when it is asked for: `import glam` alone imports nothing. Types: __init__.pyi.
API = {
    "load": "glam.prediction.notebook:load",
    "load_corpus": "glam.running.notebook:load_corpus",
    "predict": "glam.prediction.notebook:predict",
    "report": "glam.reports.notebook:report",
    "train": "glam.running.notebook:train",
}


def __getattr__(name: str) -> Any:
    if name not in API:
        raise AttributeError(f"module 'glam' has no attribute {name!r}")
    module, function = API[name].split(":")
    return getattr(import_module(module), function)
