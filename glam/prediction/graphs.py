"""The ONNX graphs of a trained model, and how far what they give is from what the model itself gives.

`model.onnx` goes from inputs to logits, `waveform.onnx` from samples to logits. The latter is made of the very code
that computes the features, so it exists where that code is torch's (glam/inputs/spectral.py and what derives from it).
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Segments
from glam.inputs.inputs import Extractor
from glam.prediction.model import Model, Samples, extractors, joined, rows_of
from glam.running.saved import of_anybody
from glam.words import to_install

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAPH, WAVEFORM = "model.onnx", "waveform.onnx"
SEGMENTS = 16  # that graphs are checked on
TOLERANCE = 1e-3  # of a logit, beside the largest one if that is above 1
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, eq=False)
class Check:
    """The segments that the graphs were checked on, and how far their logits are from the model's.

    samples: (16, samples) float32, speech made by this project. inputs: rows of each input of them. logits: (16, C),
    the model's own. differences: by the name of a graph, the greatest one of a logit. training: the same of the logits
    in the arithmetic of training, where that is not float32; else 0.
    """

    samples: Samples
    inputs: Mapping[str, NDArray[Any]]
    logits: NDArray[np.float32]
    differences: Mapping[str, float]
    training: float


def write_graphs(model: Model, folder: Path) -> tuple[Check, str]:
    """Write the graphs, and check them with onnxruntime; also says why there is no waveform.onnx ("" where there is).

    Raises GlamError where packages are missing, the model cannot be written as a graph, or a graph gives other logits.
    """
    needs()
    import torch

    cut = model.recipe.cut
    model.saved.check_sound_alone(model.path)
    of_inputs = extractors(model, cut)
    samples = speech(cut.samples)
    inputs = joined([rows_of(of_inputs, Utterance("speech", "", "", "", samples=cut.samples), x) for x in samples])
    network = _float32(model, tuple(inputs))
    tensors = {name: torch.from_numpy(rows) for name, rows in inputs.items()}
    with torch.inference_mode():
        logits: NDArray[np.float32] = network(*tensors.values()).numpy()
    differences = {}
    _write(network, tensors, folder / GRAPH, model)
    differences[GRAPH] = _difference(folder / GRAPH, inputs, logits)
    if not (missing := _no_waveform(of_inputs, cut)):
        (name,) = of_inputs
        whole = _of_samples(of_inputs[name], network)
        _write(whole, {"samples": torch.from_numpy(samples)}, folder / WAVEFORM, model)
        differences[WAVEFORM] = _difference(folder / WAVEFORM, {"samples": samples}, logits)
    most = TOLERANCE * max(1.0, float(np.abs(logits).max()))
    for graph, difference in differences.items():
        if not difference <= most:
            raise GlamError(
                f"{graph}: gives logits that are off by {difference:.2g} on onnxruntime, more than {most:.2g}; nothing "
                "is exported"
            )
    training = float(np.abs(model.saved.logits(of_anybody(tensors, model.saved)) - logits).max())
    exact = model.recipe.training.precision == "fp32"
    return Check(samples, inputs, logits, differences, 0.0 if exact else training), missing


def needs() -> None:
    """Raise GlamError where a package that graphs need is not installed."""
    from importlib.util import find_spec

    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        packages = ", ".join(missing)
        raise GlamError(f"exporting a model needs {packages}, which is not installed: {to_install('export')}")


def speech(samples: int) -> Samples:
    """(16, samples) float32: beginnings of utterances of the synthetic corpus, repeated where they are too short."""
    from glam.corpora.synthetic import plan
    from glam.corpora.voice import sound

    turns = islice(plan(), 0, None, 7)  # of several speakers and emotions
    return np.stack([np.resize(sound(next(turns)).astype(np.float32) / 32768, samples) for _ in range(SEGMENTS)])


def _float32(model: Model, names: Sequence[str]) -> "nn.Module":
    """Entrances and network as a module of tensors, named so, in float32; whoever speaks is taken as a stranger."""
    from torch import nn

    objective = deepcopy(model.saved.objective).cpu().eval()
    objective.precision = "fp32"

    class Asked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.objective = objective

        def forward(self, *rows: "Tensor") -> "Tensor":
            return self.objective.logits(of_anybody(dict(zip(names, rows, strict=True)), model.saved))

    return Asked()


def _no_waveform(of_inputs: Mapping[str, Extractor], cut: AnyCut) -> str:
    """The reason why there can be no graph from samples to logits; empty where there can be one."""
    from glam.inputs.spectral import SpectralExtractor

    if not isinstance(cut, Segments):
        return "the model decides on whole recordings, and a graph takes samples of a fixed number"
    others = [name for name, extractor in of_inputs.items() if not isinstance(extractor, SpectralExtractor)]
    if others or len(of_inputs) != 1:
        return f"the input {', '.join(others or of_inputs)} is not computed by torch from samples alone"
    return ""


def _of_samples(extractor: Extractor, network: "nn.Module") -> "nn.Module":
    import torch
    from torch import nn

    transform = extractor.of.transform(torch.device("cpu"))  # type: ignore[attr-defined]

    class Heard(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, samples: "Tensor") -> "Tensor":
            logits: Tensor = self.network(transform(samples))
            return logits

    return Heard().eval()


def _write(network: "nn.Module", inputs: "Mapping[str, Tensor]", path: Path, model: Model) -> None:
    """Write a graph of any number of rows."""
    import torch

    rows = torch.export.Dim("rows", min=1, max=2**16)
    shapes = tuple({0: rows} for _ in inputs)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                tuple(inputs.values()),
                dynamo=True,
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_shapes=(shapes,) if path.name == GRAPH else shapes,
                verbose=False,
            )
            assert program is not None
            program.save(str(path), external_data=False)
    except Exception as error:  # whatever a model of anybody's provokes in torch's exporter
        reason = " ".join(str(error.__cause__ or error).split())
        raise GlamError(
            f"the model {model.recipe.model.title} cannot be written as {path.name} "
            f"({type(error).__name__}: {reason[:300]})"
        ) from None


def _difference(path: Path, inputs: Mapping[str, NDArray[Any]], logits: NDArray[np.float32]) -> float:
    """The greatest difference of a logit of a graph from what it should be; for one row alone, too."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (all_of_them,) = session.run(None, dict(inputs))
    (first,) = session.run(None, {name: rows[:1] for name, rows in inputs.items()})
    return float(max(np.abs(all_of_them - logits).max(), np.abs(first - logits[:1]).max()))


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which torch's exporter does not talk of itself."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
