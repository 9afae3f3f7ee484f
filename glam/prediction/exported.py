"""The folder of a trained model that is taken away: it is used without this package, and read back by it.

    README.md            the model card: what it was trained on, how its figures came about, its limits
    config.json          classes, segments, inputs, recipe; hashes of itself and of the other files
    preprocessor_config.json   the rate
    model.safetensors    the weights, and the recipe: what `glam predict` reads
    model.onnx           from inputs to logits
    waveform.onnx        from samples to logits, where the inputs are computed by torch
    parity.json, parity.npz    16 segments, the model's logits of them, and how far onnxruntime's are from these
    use.py               a few lines of numpy
    mine.py              a file of code that the model was made with, if any; never run without being asked for

Names are those of Hugging Face's hub.
"""

import io
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

import glam
from glam.corpora.audio import RATE
from glam.errors import GlamError
from glam.files import hashed_json, new_folder
from glam.inputs.cut import Segments
from glam.prediction.card import card
from glam.prediction.graphs import WAVEFORM, Check, needs, write_graphs
from glam.prediction.hashes import CARD, CONFIG, MODEL_TYPE
from glam.prediction.model import Model
from glam.prediction.origin import trained_on
from glam.results.run import MODEL
from glam.running.own_code import own_code

PREPROCESSOR = "preprocessor_config.json"

IMPORTS = """try:
    import numpy as np, onnxruntime
except ImportError as error:
    sys.exit(f"{error.name} is not installed: pip install numpy onnxruntime")
folder = pathlib.Path(__file__).parent
"""
USE = '''"""What the model hears: python use.py call.wav [more.wav ...]. Needs numpy and onnxruntime.

Recordings are WAV: 16 kHz, mono, 16 bits. `glam predict FOLDER call.mp3`, of the package glam-ser, takes any other.
With --segments there is a line for each segment, too: the emotion over time.
"""
import hashlib, json, pathlib, sys, wave
IMPORTSfiles = [word for word in sys.argv[1:] if word != "--segments"]
if not files:
    sys.exit(__doc__)
if flags := [word for word in files if word.startswith("--")]:
    sys.exit(f"there is no flag {flags[0]}; the only one is --segments")
try:
    config, graph = json.loads((folder / "config.json").read_bytes()), (folder / "waveform.onnx").read_bytes()
except (OSError, ValueError) as error:
    sys.exit(f"{error}: use.py belongs into the folder that it was written in")
if hashlib.sha256(graph).hexdigest() != config["files"]["waveform.onnx"]:
    sys.exit("waveform.onnx is not what was written: get the folder again from where it is from")
session, length = onnxruntime.InferenceSession(graph), config["segment_samples"]


def heard(path):
    with wave.open(path) as file:
        channels, width, rate, frames = file.getparams()[:4]
        content = file.readframes(frames)
    if (channels, width, rate) != (1, 2, 16000):
        raise ValueError(f"has {rate} Hz, {8 * width} bits and {channels} channels")
    if len(content) < 2 * frames:
        raise ValueError("is truncated")
    samples = np.frombuffer(content, "<i2").astype(np.float32) / 32768
    if config["padding"] == "repeat" and 0 < frames < length:
        samples = np.tile(samples, -(-length // frames))
    if len(samples) < length:
        raise ValueError(f"is {frames / 16000:.2f} s long, shorter than a segment of {length / 16000:g} s")
    segments = np.lib.stride_tricks.sliding_window_view(samples, length)[:: config["hop_samples"]]
    parts = [segments[i : i + 256] for i in range(0, len(segments), 256)]
    return np.concatenate([session.run(None, {"samples": part})[0] for part in parts]).astype("f8")


def chances(logits):
    probabilities = PROBABILITIES
    return {name: round(float(probabilities[int(i)]), 4) for i, name in config["id2label"].items()}


bad = 0
for path in files:
    try:
        logits = heard(path)
        print(f"{path}: " * (len(files) > 1) + str(chances(logits)))
        for i in range(len(logits) if "--segments" in sys.argv else 0):
            print(f"{i * config['hop_samples'] / 16000:.2f} s: {chances(logits[i : i + 1])}")
    except (OSError, EOFError, ValueError, wave.Error) as error:
        print(f"{path}: {str(error) or 'is no WAV file'}", file=sys.stderr)
        bad = "WAV files of 16 kHz, mono, 16 bits are needed; glam predict takes any recording, and one is made by "
        bad += "ffmpeg -i call.mp3 -ac 1 -ar 16000 -c:a pcm_s16le call.wav"
sys.exit(bad)
'''
# How probabilities of a recording come of the logits of its segments, as glam/evaluation/metrics.py has it.
PROBABILITIES = {
    ("logits", "softmax"): "np.exp(logits.mean(0) - logits.mean(0).max()) / "
    "np.exp(logits.mean(0) - logits.mean(0).max()).sum()",
    ("probabilities", "softmax"): "(np.exp(logits - logits.max(1, keepdims=True)) / "
    "np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True)).mean(0)",
    ("probabilities", "sigmoid"): "(1 / (1 + np.exp(-logits))).mean(0) / (1 / (1 + np.exp(-logits))).mean(0).sum()",
}
NO_WAVEFORM = '''"""The model on the inputs of parity.npz: python use.py. Needs numpy and onnxruntime.

There is no waveform.onnx: WHY. `glam predict FOLDER call.wav`, of the package glam-ser, is for recordings.
"""
import pathlib, sys
IMPORTSif sys.argv[1:]:
    sys.exit(__doc__)
known = np.load(folder / "parity.npz")
session = onnxruntime.InferenceSession(folder / "model.onnx")
logits = session.run(None, {node.name: known[node.name] for node in session.get_inputs()})[0]
print(logits, np.abs(logits - known["logits"]).max())
'''


def export(model: Model, folder: Path) -> Check:
    """Write the folder of a model; it is there in one piece, or not at all.

    Raises GlamError where the folder holds something already, packages are missing, or a graph gives other logits.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GlamError(f"{folder}: is there already, and holds something; give a new folder, or an empty one")
    needs()
    weights = model.path.read_bytes()
    code = _code(model)
    with new_folder(folder.absolute()) as temporary:
        check, why = write_graphs(model, temporary)
        (temporary / MODEL).write_bytes(weights)
        for name, content in code.items():
            (temporary / name).write_bytes(content)
        (temporary / "use.py").write_text(_use(model, why), encoding="utf-8")
        (temporary / "parity.json").write_text(_parity(check, why), encoding="utf-8")
        (temporary / "parity.npz").write_bytes(_arrays(check))
        (temporary / PREPROCESSOR).write_text(json.dumps(_preprocessor(), indent=1) + "\n", encoding="utf-8")
        (temporary / CARD).write_text(card(model, check, why), encoding="utf-8")
        files = {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(temporary.iterdir())}
        (temporary / CONFIG).write_text(hashed_json(_config(model) | {"files": files}, indent=1), encoding="utf-8")
    return check


def _code(model: Model) -> dict[str, bytes]:
    """The files of code that the model was made with, by their names."""
    code: dict[str, bytes] = {}
    for path in (chosen.source().path for chosen in own_code(model.recipe)):
        content = path.read_bytes()
        if path.name == "use.py" or code.setdefault(path.name, content) != content:
            raise GlamError(f"{path}: another file of that name goes into the folder; give it another name, and train")
    return code


def _config(model: Model) -> dict[str, Any]:
    recipe, cut, classes = model.recipe, model.recipe.cut, model.classes
    segments = (
        {"segment_samples": cut.samples, "hop_samples": cut.hop("test"), "padding": cut.padding}
        if isinstance(cut, Segments)
        else {"longest_samples": cut.samples}
    )
    return {
        "model_type": MODEL_TYPE,
        "architectures": [recipe.model.title],
        "id2label": {str(i): name for i, name in enumerate(classes)},
        "label2id": {name: i for i, name in enumerate(classes)},
        "problem_type": "single_label_classification",
        "dtype": "float32",
        "sampling_rate": RATE,
        **segments,
        "average": recipe.evaluation.average,
        "activation": model.saved.activation,
        "inputs": {
            name: {"name": settings.title, "shape": list(model.saved.shapes[name]), **settings.options()}
            for name, settings in recipe.inputs.items()
        },
        "seed": model.saved.seed,
        "epoch": model.saved.epoch,
        "recipe": recipe.scientific(),
        "trained_on": trained_on(model),
        "glam_version": glam.__version__,
    }


def _preprocessor() -> Mapping[str, Any]:
    return {"sampling_rate": RATE, "feature_size": 1, "padding_value": 0.0, "do_normalize": False}


def _use(model: Model, why: str) -> str:
    formula = PROBABILITIES[model.recipe.evaluation.average, model.saved.activation]
    text = NO_WAVEFORM.replace("WHY", why) if why else USE.replace("PROBABILITIES", formula)
    return text.replace("IMPORTS", IMPORTS)


def _parity(check: Check, why: str) -> str:
    import onnxruntime

    content: dict[str, Any] = {
        "segments": len(check.samples),
        "greatest_difference_of_a_logit": dict(check.differences),
        "greatest_logit": float(np.abs(check.logits).max()),
        "onnxruntime": onnxruntime.__version__,
    }
    content |= {"no " + WAVEFORM: why} if why else {}
    content |= {"float32_beside_the_precision_of_training": check.training} if check.training else {}
    return json.dumps(content, indent=1) + "\n"


def _arrays(check: Check) -> bytes:
    content = io.BytesIO()
    arrays: dict[str, Any] = {"samples": check.samples, "logits": check.logits, **check.inputs}
    np.savez_compressed(content, **arrays)
    return content.getvalue()
