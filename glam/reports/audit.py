"""Audit of a recipe's splits: what training and test share, and what scores without hearing anything.

A random split puts speakers, scenarios and dialogues on both sides, and the scenario alone gives most emotions away.
A score is worth what it has above these reference points.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Corpus
from glam.recipe import Recipe
from glam.reports.grid import grid
from glam.reports.sharing import Sharing, audit_line, look_through, overlap_table, reference_table
from glam.reports.summary import SYNTHETIC
from glam.splits.population import Population, population
from glam.splits.runs import runs_of
from glam.words import counted, range_of

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Dropped:
    """Utterances that are not in the population: why, how many, and of which kinds."""

    reason: str
    count: int
    kinds: dict[str, int]


@dataclass(frozen=True, eq=False)
class Audit:
    """Facts about a recipe's splits.

    folds: how many a seed has, 0 for protocols without. train, test: (splits, classes) utterances of each class.
    """

    recipe: Recipe
    population: Population
    folds: int
    sharing: Sharing
    train: Ints
    test: Ints
    dropped: tuple[Dropped, ...]


def audit(corpus: Corpus, recipe: Recipe, seeds: Sequence[int]) -> Audit:
    """Look through the splits of these seeds, of all their folds; raises GlamError where the recipe cannot run."""
    people = population(corpus, recipe.corpus, recipe.cut)
    classes = len(people.settings.classes)
    folds = len(people.folds(recipe.split))
    targets = np.array(people.targets, dtype=np.int64)
    sharing = look_through(recipe.split, people.groups, targets, classes, runs_of(seeds, folds))
    return Audit(
        recipe=recipe,
        population=people,
        folds=folds,
        sharing=sharing,
        train=np.stack([np.bincount(targets[split.train], minlength=classes) for split in sharing.splits]),
        test=np.stack([np.bincount(targets[split.scored], minlength=classes) for split in sharing.splits]),
        dropped=tuple(_dropped(corpus, people, recipe)),
    )


def audit_text(audit: Audit) -> str:
    """The audit as Markdown text."""
    people = audit.population
    lines = [f"recipe {audit.recipe.name}"]
    if people.synthetic:
        lines.append(SYNTHETIC)
    lines += [
        f"corpus: {people.composition()}",
        f"protocol: {_protocol(audit)}",
        f"in short: {audit_line(audit.sharing)}",
    ]
    unseen = ", ".join(
        f"{reference.unseen:.1f} of a {name.split()[-1]} that does not occur in training"
        for name, reference in audit.sharing.references.items()
        if reference.unseen
    )
    pooled = " (predictions pooled over the folds of a seed)" if audit.folds else ""
    return "\n\n".join(
        [
            "\n".join(lines),
            f"What training and test share (means over the splits)\n\n{overlap_table(audit.sharing.overlaps)}",
            "Class balance (means over the splits)\n\n" + _class_table(audit),
            f"What scores without hearing anything{pooled}\n\n{reference_table(audit.sharing.references)}",
            (
                f"of {audit.test.sum(axis=1).mean():.1f} test utterances a split, {unseen}: these get the majority "
                "class; "
                if unseen
                else ""
            )
            + "of equally common classes, the first in the order above is taken",
            _dropped_text(audit),
        ]
    )


def _protocol(audit: Audit) -> str:
    """The protocol's name, how many splits were looked through, and how many utterances their parts have."""
    splits = audit.sharing.splits
    seeds = len(splits) // max(audit.folds, 1)
    number = f"{counted(seeds, 'seed')} of {audit.folds} folds" if audit.folds else counted(seeds, "split")
    parts = {
        "training": [len(split.train) for split in splits],
        "validation": [split.validation_only for split in splits],
        "test": [len(split.scored) for split in splits],
    }
    sizes = [f"{range_of(sizes)} for {part}" for part, sizes in parts.items() if max(sizes)]
    return f"{audit.recipe.split.title}, {number}: {', '.join(sizes)}"


def _dropped(corpus: Corpus, people: Population, recipe: Recipe) -> list[Dropped]:
    """Every usable utterance outside the population, under the first reason that holds: part, label, length."""
    settings = people.settings
    labels = {label for made_of in settings.labels.values() for label in made_of}
    of_part = [utterance for utterance in corpus.utterances if settings.counts(utterance)]
    elsewhere = Counter(
        ", ".join(utterance.group(kind) or "unknown" for kind in settings.where)
        for utterance in corpus.utterances
        if not settings.counts(utterance)
    )
    others = Counter(utterance.label for utterance in of_part if utterance.label not in labels)
    segment = f"too short for {recipe.cut.title}"
    below = f"shorter than corpus.min_length {recipe.corpus.min_length:g} s"
    left_out = {name: people.left_out[name] for name in settings.classes if people.left_out.get(name)}
    short = {
        name: count - left_out.get(name, 0)
        for name in settings.classes
        if (count := people.too_short.get(name, 0)) > left_out.get(name, 0)
    }
    reasons = {
        f"not {settings.part}": dict(sorted(elsewhere.items())),
        "label not in the recipe": dict(sorted(others.items())),
        segment: short,
        below: left_out,
    }
    return [Dropped(reason, sum(kinds.values()), kinds) for reason, kinds in reasons.items() if kinds]


def _class_table(audit: Audit) -> str:
    whole = np.bincount(audit.population.targets, minlength=len(audit.population.settings.classes))
    rows = []
    for index, name in enumerate(audit.population.settings.classes):
        test = audit.test[:, index]
        rows.append(
            [
                name,
                _share(whole[index], whole.sum(), 0),
                _share(audit.train[:, index].mean(), audit.train.sum(axis=1).mean(), 1),
                _share(test.mean(), audit.test.sum(axis=1).mean(), 1),
                f"{test.min()} to {test.max()}",
            ]
        )
    return grid(["class", "all", "training", "test", "test, over the splits"], rows)


def _share(count: float, of: float, decimals: int) -> str:
    return f"{count:.{decimals}f} ({100 * count / of:.1f} %)"


def _dropped_text(audit: Audit) -> str:
    lines = [f"not among the {len(audit.population.utterances)} utterances of the recipe:"]
    for dropped in audit.dropped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in dropped.kinds.items())
        lines.append(f"  {dropped.reason}: {dropped.count} ({kinds})")
    for kind, count in audit.population.unusable.items():
        lines.append(f"  problem in the corpus, whatever the style: {kind}: {count}")
    return "\n".join(lines if len(lines) > 1 else ["every utterance of the corpus is in the recipe"])
