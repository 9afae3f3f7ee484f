"""The card of a trained model: what it was trained on, how its figures came about, and what it is not for."""

import re

from glam.corpora.licences import licence_of
from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.prediction.graphs import GRAPH, WAVEFORM, Check
from glam.prediction.hashes import exported_with
from glam.prediction.model import Model
from glam.reports.runs import read_runs
from glam.reports.summary import report
from glam.results.experiment import EXPERIMENT, StoredExperiment, experiment_of
from glam.results.run import RUN, StoredRun, read_run
from glam.splits.population import composition_line

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


def trained_on(model: Model) -> list[str]:
    """What the model was trained on, and by whose leave, in lines; of an exported model, as its folder says."""
    settings = model.recipe.corpus
    kept = _stored(model)
    if kept is None and (told := exported_with(model.path.absolute().parent).get("trained_on")):
        return [str(line) for line in told]
    corpus = settings.title + (f", {settings.part}" if settings.where else "")
    composition = composition_line(kept[0].composition) if kept else f"{corpus} (how many utterances is not known here)"
    licence = licence_of(settings.name) or "not known here; ask whoever gave you the corpus"
    lines = [
        f"corpus: {composition}",
        f"licence of the corpus: {licence} (whether that covers a model made of the recordings is for the law to say)",
    ]
    if model.recipe.training.shuffle_labels:
        lines.append("LABELS WERE SHUFFLED in training: this model is a control, and knows nothing")
    return lines


def _stored(model: Model) -> tuple[StoredExperiment, StoredRun] | None:
    """The experiment and run that the model lies in; None where it lies elsewhere."""
    folder = model.path.absolute().parent
    if not ((folder / RUN).is_file() and (folder.parent / EXPERIMENT).is_file()):
        return None
    return experiment_of(folder), read_run(folder)


def _figures(model: Model) -> str:
    try:
        kept = _stored(model)
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
    alone = ["One run tells nothing of the spread: no interval is given."] if len(read_runs(experiment)) == 1 else []
    return "\n\n".join([own, *alone, text])


def _header() -> str:
    lines = ["license: other", "license_name: as-the-corpus", "library_name: glam-ser"]
    lines += ["pipeline_tag: audio-classification", "tags: [speech-emotion-recognition, onnx]"]
    return "\n".join(["---", *lines, "---"])


def _use(why: str) -> str:
    commands = ["glam predict . call.wav                # with glam-ser: any rate, kind and length"]
    if not why:
        commands.insert(0, "python use.py call.wav                # with numpy and onnxruntime alone; 16 kHz, mono")
    return "\n".join(["```bash", *commands, "```"])


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
