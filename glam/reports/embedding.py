"""What a saved model makes of the utterances it was not trained on: its last hidden layer, whole and in the plane."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import scores_of
from glam.results.identity import canonical_json
from glam.results.run import MODEL, StoredExperiment, StoredRun, read_run
from glam.splits.splits import RunKey, seeds
from glam.words import counted

if TYPE_CHECKING:
    from torch import Tensor, nn

    from glam.learning.engine import RunData
    from glam.recipe import Recipe

BATCH = 256
COMPONENTS = 50  # of PCA before t-SNE, as its authors do with long vectors
PERPLEXITY = 30.0
FEWEST = 5  # utterances: below, there are no neighbourhoods to show


@dataclass(frozen=True, eq=False)
class Embedding:
    """The last hidden layer of one run's held-out utterances.

    hidden: (H, D) float32, the mean over the segments of each utterance that is scored. targets: (H,) int64, their
    true classes.
    epoch: whose weights these are (1-based). wa: of that epoch on these utterances, in percent, as the run has it.
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
    there = sorted(experiment.seeds(), key=lambda name: order.get(name.partition("-")[0], len(order)))
    for name in there:
        if (experiment.folder / name / MODEL).is_file():
            return read_run(experiment.folder / name)
    raise GlamError(
        f"{experiment.folder}: of its {counted(len(there), 'run')}, none kept its model ({MODEL}), and a hidden "
        "layer cannot be drawn without one. Train one seed that is not stored yet with --save-model best (the command "
        "of these runs, with --next 1), or move a run's folder away and train that seed again so."
    )


def embed(experiment: StoredExperiment, corpus: Path, data: Path) -> Embedding:
    """The last hidden layer of the first saved model of an experiment, for the utterances its run held out.

    corpus: where the corpus lies; data: folder of index and features, which are extracted if they are not there.
    Computed on the CPU in float32. Raises GlamError where no model was saved, where it is damaged, where the corpus is
    not the one it was trained on, or where the model has no `embed`.
    """
    import torch

    from glam.models import build
    from glam.models.dropout import seeds

    run = first_saved(experiment)
    recipe, shape, epoch, weights = _read_model(run)
    inputs = _run_data(experiment, recipe, run.key, corpus, data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        model = build(recipe.model.name, len(experiment.classes), shape, **recipe.model.options())
        for seed in seeds(model):
            seed.fill_(run.seed)  # for what draws at test time, as AACNN's dropout can
        if not hasattr(model, "embed"):
            raise GlamError(
                f"the model {recipe.model.name} does not give its last hidden layer: it has no method `embed` from "
                "features (batch, 1, F, T) to (batch, values)."
            )
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise GlamError(f"{run.folder / MODEL}: not the weights of {recipe.model.name} ({error})") from None
        hidden = _hidden(model.eval(), inputs)
    scored = slice(run.validation_only, None)
    return Embedding(
        hidden=hidden.numpy()[scored],
        targets=experiment.targets[run.predictions().held_out[scored]],
        seed=run.seed,
        epoch=epoch,
        wa=scores_of(run.confusion[epoch - 1]).wa,
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


def _hidden(model: "nn.Module", inputs: "RunData") -> "Tensor":
    """(H, D): the mean of `embed` over the segments of each held-out utterance, batch by batch."""
    import torch

    from glam.progress import bar

    lengths = torch.from_numpy(inputs.test_segments)
    utterances = torch.repeat_interleave(torch.arange(len(lengths)), lengths).split(BATCH)
    batches = inputs.test.batches(inputs.test.rows(inputs.test_rows).split(BATCH))
    total: Tensor | None = None
    with torch.inference_mode(), bar(len(utterances), "hidden layer", "batch") as progress:
        for batch, utterance in zip(batches, utterances, strict=True):
            values: Tensor = model.embed(batch).flatten(1)  # type: ignore[operator]
            if total is None:
                total = torch.zeros(len(lengths), values.shape[1])
            total.index_add_(0, utterance, values.float())
            progress.update()
    assert total is not None  # a split has held-out utterances, and each has a segment
    return total / lengths.unsqueeze(1)


def _read_model(run: StoredRun) -> "tuple[Recipe, tuple[int, int], int, dict[str, Tensor]]":
    """Recipe, shape (F, T) of the features, epoch (1-based) and weights of a run's saved model."""
    from safetensors import SafetensorError, safe_open

    from glam.recipe import checked

    path = run.folder / MODEL
    run.read(MODEL)  # refuses what is not what was written
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        frequencies, frames = (int(size) for size in meta["shape"].split(","))
        recipe, epoch = json.loads(meta["recipe"]), int(meta["epoch"])
        if not 1 <= epoch <= len(run.epochs):
            raise ValueError(f"epoch {epoch} of {len(run.epochs)}")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GlamError(
            f"{path}: a damaged model ({type(error).__name__}: {error}). Move the run's folder away and train its seed "
            "again with --save-model best."
        ) from None
    return checked(recipe, str(path)), (frequencies, frames), epoch, weights


def _run_data(experiment: StoredExperiment, recipe: "Recipe", run: RunKey, corpus: Path, data: Path) -> "RunData":
    """The segments of one run, on the CPU, from the corpus its experiment was trained on."""
    from glam.running.experiment import Places, job, prepare
    from glam.running.job import Resources, run_data

    found = prepare(recipe, Places(corpus, data, experiment.folder.parent))
    if canonical_json(found.stored.identity) != canonical_json(experiment.identity):
        raise GlamError(
            f"{corpus}: not the corpus that {experiment.folder} was trained on (its utterances, labels or audio "
            "differ). Say where that one lies with --datadir."
        )
    return run_data(job(found, Resources("cpu", 1, 1, 0)), run)
