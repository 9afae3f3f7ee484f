"""The card of a trained model: what it was trained on, how its figures came about, and what it is not for."""

import re

from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.prediction.graphs import GRAPH, WAVEFORM, Check
from glam.prediction.model import Model
from glam.prediction.origin import stored, trained_on
from glam.reports.runs import read_runs
from glam.reports.summary import report

ALONE = "One run tells nothing of the spread over runs; intervals below, if any, are over its test utterances."
LIMITS = (
    "The classes are those of the corpus's raters: what people heard in these recordings, not what anybody felt.",
    "Speakers, language, microphones and kind of speech other than the corpus's cost accuracy, mostly much of it; the "
    "figures above say nothing about them.",
    "A probability is the network's, and no calibrated confidence (`glam diagnose` shows how far it is off).",
    "Every recording gets one of the classes, also one of silence, noise, or another emotion.",
    "Do not use it to judge people (at work, in school, by the police, in hiring): it cannot do that.",
)


def card(model: Model, check: Check, why: str) -> str:
    """The card as Markdown, with the header that Hugging Face's hub reads. why: there is no waveform.onnx, if so."""
    recipe = model.recipe
    parts = [
        _header(),
        f"# {recipe.model.title}: {', '.join(model.classes)}",
        f"A model of glam-ser for speech emotion recognition: {recipe.model.title} on "
        f"{', '.join(settings.title for settings in recipe.inputs.values())}, {recipe.cut.title}, "
        f"{len(model.classes)} classes. Seed {model.saved.seed}, epoch {model.saved.epoch}, recipe {recipe.name}.",
        "## Use",
        _use(why),
        "## Trained on",
        "\n".join(f"- {line}" for line in trained_on(model)),
        "## How good it is",
        _figures(model),
        "## Limits",
        "\n".join(f"- {line}" for line in (*LIMITS, *_of_this(model))),
        "## Graphs",
        _graphs(check, why),
    ]
    return "\n\n".join(parts) + "\n"


def _figures(model: Model) -> str:
    try:
        kept = stored(model)
        if kept is None:
            return "Not known: the model was exported without the run that it is of."
        experiment, run = kept
        scores = run.scores[model.saved.epoch - 1]
        lines = [line for line in report(experiment.folder).splitlines() if not line.startswith("results: ")]
    except (GlamError, IndexError) as error:
        return f"Not known: the run that it is of cannot be read ({error})."
    # A line of the report is a paragraph here; rows of a table stay together.
    text = re.sub(r"(?<![|\n])\n(?!\n)|(?<=\|)\n(?=[^|\n])", "\n\n", "\n".join(lines[1:]).strip())
    own = (
        f"This very model, on the {int(run.confusion[0].sum())} utterances that its own run is scored on: "
        f"WA {scores.wa:.2f}, UA {scores.ua:.2f}. The report on all stored runs of its experiment, which says what to "
        "expect of one:"
    )
    return "\n\n".join([own, *([ALONE] if len(read_runs(experiment)) == 1 else []), text])


def _header() -> str:
    lines = ["license: other", "license_name: as-the-corpus", "library_name: glam-ser"]
    lines += ["pipeline_tag: audio-classification", "tags: [speech-emotion-recognition, onnx]"]
    return "\n".join(["---", *lines, "---"])


def _use(why: str) -> str:
    alone = [
        "pip install numpy onnxruntime",
        "python use.py call.wav more.wav       # 16 kHz, mono, 16 bits; --segments",
    ]
    asked = "glam predict . call.wav                # with glam-ser: any rate, kind and length"
    return "\n".join(["```bash", *([] if why else alone), asked, "```"])


def _of_this(model: Model) -> list[str]:
    lines = []
    cut = model.recipe.cut
    if isinstance(cut, Segments):
        short = "refused" if cut.padding == "none" else "repeated until they fill one"
        lines.append(f"Recordings shorter than a segment ({cut.length:g} s) are {short}.")
    if any(settings.normalisation == "speaker" for settings in model.recipe.inputs.values()):
        lines.append("In training each speaker's inputs were standardised by themselves; here all alike, as strangers.")
    return lines


def _graphs(check: Check, why: str) -> str:
    lines = [
        f"- `{name}`: on {len(check.samples)} segments no logit is off by more than {check.differences[name]:.1e} "
        "(onnxruntime, beside torch in float32; parity.json)"
        for name in (GRAPH, WAVEFORM)
        if name in check.differences
    ]
    if why:
        lines.append(f"- no `{WAVEFORM}`: {why}")
    if check.training:
        lines.append(
            f"- in the arithmetic of training, which was not float32, logits are off from these by up to "
            f"{check.training:.1e}"
        )
    return "\n".join(lines)
