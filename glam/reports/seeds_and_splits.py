"""What of the printed ± is the split's, and what the training's own: experiments that differ in `split.seed` alone.

Where one seed chooses both, as in the release, the standard deviation over runs holds both. Experiments with
`--set split.seed=N` keep the split and vary the training; several of them, with the same training seeds, tell the two
apart.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.evaluation.unknown import Unknown
from glam.evaluation.variance import Components, components
from glam.reports.grid import grid
from glam.reports.runs import read_results
from glam.reports.spread import between
from glam.reports.summary import OPTIMISTIC, heading
from glam.reports.views import View, default_view, selection, value
from glam.results.experiment import StoredExperiment, read_experiment
from glam.words import counted

HOW = "train them with --set split.seed=1, --set split.seed=2, ... and the same seeds (--runs N)"


def seeds_and_splits(folders: Sequence[Path], view: View | None = None) -> str:
    """The two-way decomposition of the experiments in these folders, as Markdown text; only reads.

    view: if not the default one. Raises GlamError where they are fewer than two, differ in more than their split's
    seed, or have folds.
    """
    experiments = [read_experiment(folder) for folder in folders]
    first = _checked(experiments)
    view = view or default_view(first)
    scores: dict[str, list[float]] = {name: [] for name in OPTIMISTIC}
    seeds: list[int] = []
    splits: list[int] = []
    reads = [read_results(of, view) for of in experiments]
    common = set.intersection(*({outcome.seed for outcome in read.results} for read in reads))
    left = sum(outcome.seed not in common for read in reads for outcome in read.results)
    for number, read in enumerate(reads):
        for outcome in read.results:
            if outcome.seed in common:
                seeds.append(outcome.seed)
                splits.append(number)
                for name in OPTIMISTIC:
                    scores[name].append(value(outcome, METRICS[name]))
    if not seeds:
        raise GlamError(f"the {len(folders)} experiments have no training seed in common; {HOW}")
    rows, lines = [], []
    for name in OPTIMISTIC:
        parts = components(scores[name], seeds, splits)
        if isinstance(parts, Unknown):
            lines.append(f"{METRICS[name].title}: {parts}")
        else:
            rows.append(_row(METRICS[name].title, float(np.mean(scores[name])), parts))
    lines += [
        f"layout: {counted(len(common), 'training seed')} x {counted(len(experiments), 'split')} (split.seed "
        f"{', '.join(str(of.split.seed) for of in experiments)})",
        *([f"left out, as not every split has that seed: {counted(left, 'run')}"] if left else []),
        "sd: standard deviations, in points, of what a new training seed, a new split and what neither alone explains "
        "add to a run; total: of a run whose seed and split are both new. Share: of the split in the total variance, "
        "with its 95 % interval (Weerahandi 1993); few seeds or splits make it wide",
        f"epoch: {selection(view, first)}",
        *(f"LEFT OUT: {reason}" for read in reads for reason in read.left_out),
    ]
    table = [grid(["", "mean", "seed's sd", "split's sd", "rest", "total", "split's share", "95 %"], rows), ""]
    return "\n".join([heading(first), "", *(table if rows else []), *lines])


def _row(title: str, mean: float, parts: Components) -> list[str]:
    return [
        title,
        f"{mean:.2f}",
        *(f"{points:.2f}" for points in (parts.seed, parts.split, parts.rest, parts.total)),
        f"{parts.share:.0f} %",
        between(parts.interval),
    ]


def _checked(experiments: Sequence[StoredExperiment]) -> StoredExperiment:
    if len(experiments) < 2:
        raise GlamError(f"seeds and splits cannot be told apart with 1 experiment: two or more are needed; {HOW}")
    first = experiments[0]
    for experiment in experiments:
        if experiment.folds:
            raise GlamError(f"{experiment.folder}: its protocol has folds; seeds and splits are told apart without")
        if experiment.split.fixed:
            raise GlamError(f"{experiment.folder}: its protocol has one split, whatever the seed: none of the ± is its")
        if experiment.split.seed is None:
            raise GlamError(f"{experiment.folder}: has no split.seed: a run's seed chooses its split, too; {HOW}")
        ours, theirs = (dict(of.identity["settings"]) for of in (first, experiment))
        for settings in (ours, theirs):
            settings["split"] = {name: given for name, given in settings["split"].items() if name != "seed"}
        if ours != theirs or first.identity["corpus_digest"] != experiment.identity["corpus_digest"]:
            raise GlamError(f"{experiment.folder} and {first.folder}: differ in more than split.seed")
    if len({experiment.split.seed for experiment in experiments}) < len(experiments):
        raise GlamError("two of the experiments have the same split.seed")
    return first
