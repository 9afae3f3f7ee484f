"""Where a trained model is from: the run that it lies in, the corpus that it was trained on, and by whose leave."""

from contextlib import suppress

from glam.corpora.licences import licence_of
from glam.corpora.made import MADE
from glam.errors import GlamError
from glam.prediction.hashes import exported_with
from glam.prediction.model import Model
from glam.results.experiment import EXPERIMENT, StoredExperiment, experiment_of
from glam.results.run import RUN, StoredRun, read_run
from glam.splits.population import composition_line

SYNTHETIC = "SYNTHETIC CORPUS: this model was trained on made-up sounds, and knows nothing about speech"
SHUFFLED = "LABELS WERE SHUFFLED in training: this model is a control, and knows nothing"


def cautions(model: Model) -> list[str]:
    """Why nothing that the model says of speech means anything, in lines; none where it may."""
    return [SYNTHETIC] * _synthetic(model) + [SHUFFLED] * model.recipe.training.shuffle_labels


def trained_on(model: Model) -> list[str]:
    """What the model was trained on, and by whose leave, in lines; of an exported model, as its folder says."""
    kept = stored(model)
    told = _told(model) if kept is None else []
    first = cautions(model)
    return first + [line for line in told or _of_corpus(model, kept) if line not in first]


def stored(model: Model) -> tuple[StoredExperiment, StoredRun] | None:
    """The experiment and run that the model lies in; None where it lies elsewhere."""
    folder = model.path.absolute().parent
    if not ((folder / RUN).is_file() and (folder.parent / EXPERIMENT).is_file()):
        return None
    return experiment_of(folder), read_run(folder)


def _of_corpus(model: Model, kept: tuple[StoredExperiment, StoredRun] | None) -> list[str]:
    settings = model.recipe.corpus
    corpus = settings.title + (f", {settings.part}" if settings.where else "")
    composition = composition_line(kept[0].composition) if kept else f"{corpus} (how many utterances is not known here)"
    licence = licence_of(settings.name) or "not known here; ask whoever gave you the corpus"
    return [
        f"corpus: {composition}",
        f"licence of the corpus: {licence} (whether that covers a model made of the recordings is for the law to say)",
    ]


def _synthetic(model: Model) -> bool:
    if model.recipe.corpus.name in MADE or SYNTHETIC in _told(model):
        return True
    with suppress(GlamError):  # a damaged experiment keeps no model from being asked
        kept = stored(model)
        return kept is not None and kept[0].composition.synthetic
    return False


def _told(model: Model) -> list[str]:
    """What the folder of an exported model says that it was trained on; nothing in any other folder."""
    return [str(line) for line in exported_with(model.path.absolute().parent).get("trained_on", ())]
