"""The last hidden layer of a saved model on the utterances it was not trained on, whole and in the plane."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import scores_of
from glam.results.experiment import StoredExperiment
from glam.results.run import MODEL, StoredRun, read_run
from glam.splits.runs import RunKey, seeds
from glam.words import counted

if TYPE_CHECKING:
    from torch import Tensor

    from glam.learning.batch import Data
    from glam.recipe import Recipe
    from glam.running.saved import SavedModel

BATCH = 256
COMPONENTS = 50  # of PCA before t-SNE, as its authors do with long vectors
PERPLEXITY = 30.0
FEWEST = 5  # utterances: below, there are no neighbourhoods to show


@dataclass(frozen=True, eq=False)
class Embedding:
    """The last hidden layer of one run's held-out utterances.

    hidden: (H, D) float32, the mean over the segments of each utterance that is scored. targets: (H,) int64, their
    true classes. epoch: whose weights these are (1-based). wa: of that epoch on these utterances, in percent, as the
    run has it.
    """

    hidden: NDArray[np.float32]
    targets: NDArray[np.int64]
    seed: int
    epoch: int
    wa: float


def first_saved(experiment: StoredExperiment) -> StoredRun:
    """The first run of an experiment, in the order of the release's seeds, that kept its model.

    Raises GlamError where none did, saying how to get one.
    """
    order = {str(seed): i for i, seed in enumerate(seeds())}
    if names := experiment.with_model():
        first = min(names, key=lambda name: order.get(name.partition("-")[0], len(order)))
        return read_run(experiment.folder / first)
    raise GlamError(
        f"{experiment.folder}: of its {counted(len(experiment.seeds()), 'run')}, none kept its model ({MODEL}), and a "
        "hidden layer cannot be drawn without one. Train one seed that is not stored yet with --save-model best (the "
        "command of these runs, with --next 1), or move a run's folder away and train that seed again so."
    )


def embed(experiment: StoredExperiment, corpus: Path, data_folder: Path) -> Embedding:
    """The last hidden layer of the first saved model of an experiment, for the utterances its run held out.

    corpus: where the corpus lies; data_folder: of index and features, which are extracted if they are not there.
    Computed on the CPU in float32. Raises GlamError where no model was saved, where it is damaged, where the corpus is
    not the one it was trained on, or where the model has no `embed`.
    """
    import torch

    from glam.models.dropout import seeds
    from glam.running.saved import load_model

    run = first_saved(experiment)
    run.read(MODEL)  # refuses what is not what was written
    model = load_model(run.folder / MODEL)
    if not 1 <= model.epoch <= len(run.epochs):
        raise GlamError(f"{run.folder / MODEL}: is of epoch {model.epoch}, and the run has {len(run.epochs)}")
    data = _data(experiment, model.recipe, run.key, corpus, data_folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        for seed in seeds(model.objective):
            seed.fill_(run.seed)  # for what draws at test time, as AACNN's dropout can
        hidden = _hidden(model, data)
    scored = slice(run.validation_only, None)
    return Embedding(
        hidden=hidden.numpy()[scored],
        targets=experiment.targets[run.predictions().held_out[scored]],
        seed=run.seed,
        epoch=model.epoch,
        wa=scores_of(run.confusion[model.epoch - 1]).wa,
    )


def two_dimensions(hidden: NDArray[np.float32]) -> NDArray[np.float64]:
    """t-SNE (van der Maaten and Hinton, 2008) of (H, D) vectors: (H, 2), the same for the same vectors.

    The first 50 principal components, perplexity 30 (less where there are fewer than 91 vectors), initialised by PCA.
    Raises GlamError for fewer than 5 vectors or ones that are not finite.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(hidden) < FEWEST:
        raise GlamError(f"t-SNE needs at least {FEWEST} held-out utterances, this run has {len(hidden)}")
    if not np.isfinite(hidden).all():
        raise GlamError("the hidden layer is not all finite numbers: the saved model has diverged")
    vectors = np.asarray(hidden, dtype=np.float64)
    if min(vectors.shape) > COMPONENTS:
        vectors = PCA(COMPONENTS, random_state=0).fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    points = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=0).fit_transform(vectors)
    return np.asarray(points, dtype=np.float64)


def _hidden(model: "SavedModel", data: "Data") -> "Tensor":
    """(H, D): the mean of `embed` over the rows of each held-out utterance, batch by batch."""
    import torch

    from glam.progress import bar

    counts = torch.from_numpy(data.test_counts)
    utterances = torch.repeat_interleave(torch.arange(len(counts)), counts).split(BATCH)
    batches = data.test.batches(data.test.rows(data.test_rows).split(BATCH))
    total: Tensor | None = None
    with bar(len(utterances), "hidden layer", "batch") as progress:
        for inputs, utterance in zip(batches, utterances, strict=True):
            values = torch.from_numpy(model.embed(inputs)).flatten(1)
            if total is None:
                total = torch.zeros(len(counts), values.shape[1])
            total.index_add_(0, utterance, values)
            progress.update()
    assert total is not None  # a split has held-out utterances, and each has a row
    return total / counts.unsqueeze(1)


def _data(experiment: StoredExperiment, recipe: "Recipe", run: RunKey, corpus: Path, data: Path) -> "Data":
    """The rows of one run, on the CPU, from the corpus its experiment was trained on."""
    from glam.recipe import checked
    from glam.running.experiment import Places, job, prepare
    from glam.running.job import Resources, run_data

    recipe = recipe.model_copy(update={"corpus": experiment.recipe.corpus})  # which may have moved since
    recipe = checked(recipe.model_dump(mode="json"), f"{experiment.folder}: the recorded recipe")
    prepared = prepare(recipe, Places(corpus, data, experiment.folder.parent))
    if prepared.stored.identity["corpus_digest"] != experiment.identity["corpus_digest"]:
        raise GlamError(
            f"{corpus}: not the corpus that {experiment.folder} was trained on (its utterances, labels or audio "
            "differ). Say where that one lies with --datadir."
        )
    if prepared.stored.identity.get("outside", {}) != experiment.identity.get("outside", {}):
        raise GlamError(
            f"{experiment.folder}: its inputs were made with other files beside the corpus (or other words of it): "
            f"{'; '.join(experiment.remarks)}. Give them with --file NAME=PATH."
        )
    return run_data(job(prepared, Resources("cpu", 1, 1, 60)), run)
