"""What a recipe's splits share between training and test, and what scores without hearing anything.

A random split puts speakers, scenarios and dialogues on both sides, and the scenario alone gives most emotions away.
A score is worth what it has above these reference points.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from glam.corpora.utterances import Corpus
from glam.recipe import Recipe
from glam.reports.sharing import EVERYTHING, Overlap, Reference, audit_line, look_through
from glam.reports.summary import SYNTHETIC, mean_std
from glam.splits.population import Population, population
from glam.splits.splits import Split, runs_of
from glam.words import counted

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Dropped:
    """Utterances that are not in the population: why, how many, and of which kinds."""

    reason: str
    count: int
    kinds: dict[str, int]


@dataclass(frozen=True, eq=False)
class Audit:
    """What is to be known of a recipe's splits.

    folds: how many a seed has, 0 for protocols without. train, test: (splits, classes) utterances of each class.
    in_short: overlaps and references in one line.
    """

    recipe: Recipe
    population: Population
    folds: int
    splits: tuple[Split, ...]
    train: Ints
    test: Ints
    overlaps: dict[str, Overlap]
    references: dict[str, Reference]
    in_short: str
    dropped: tuple[Dropped, ...]
    problems: dict[str, int]


def audit(corpus: Corpus, recipe: Recipe, seeds: Sequence[int]) -> Audit:
    """Look through the splits of these seeds, of all their folds; raises GlamError where the recipe cannot run."""
    people = population(corpus, recipe.corpus, recipe.segments)
    classes = len(recipe.corpus.classes)
    folds = len(people.folds(recipe.split))
    targets = np.array(people.targets, dtype=np.int64)
    found = look_through(recipe.split, people.groups, targets, classes, runs_of(seeds, folds))
    return Audit(
        recipe=recipe,
        population=people,
        folds=folds,
        splits=found.splits,
        train=np.stack([np.bincount(targets[one.train], minlength=classes) for one in found.splits]),
        test=np.stack([np.bincount(targets[one.scored], minlength=classes) for one in found.splits]),
        overlaps=found.overlaps,
        references=found.references,
        in_short=audit_line(found),
        dropped=tuple(_dropped(corpus, people, recipe)),
        problems=dict(Counter(problem.kind for problem in corpus.problems)),
    )


def audit_text(found: Audit) -> str:
    """The audit as Markdown text."""
    people = found.population
    lines = [f"recipe {found.recipe.name}"]
    if people.synthetic:
        lines.append(SYNTHETIC)
    lines += [
        f"corpus: {people.composition()}",
        f"protocol: {_protocol(found)}",
        f"in short: {found.in_short}",
    ]
    unseen = ", ".join(
        f"{one.unseen:.1f} without a {name.split()[-1]} in training"
        for name, one in found.references.items()
        if name != EVERYTHING
    )
    pooled = " (predictions pooled over the folds of a seed)" if found.folds else ""
    return "\n\n".join(
        [
            "\n".join(lines),
            "What training and test share (means over the splits)\n\n" + _overlap_table(found),
            "Class balance (means over the splits)\n\n" + _class_table(found),
            f"What scores without hearing anything{pooled}\n\n" + _reference_table(found),
            f"of {found.test.sum(axis=1).mean():.1f} test utterances a split, {unseen}: those get the majority class; "
            "of equally common classes, the first in the order above is taken",
            _dropped_text(found),
        ]
    )


def _protocol(found: Audit) -> str:
    """The protocol's name, how many splits were looked through, and how many utterances their parts have."""
    seeds = len(found.splits) // max(found.folds, 1)
    splits = f"{counted(seeds, 'seed')} of {found.folds} folds" if found.folds else counted(seeds, "split")
    parts = {
        "training": [len(one.train) for one in found.splits],
        "validation": [one.validation_only for one in found.splits],
        "test": [len(one.scored) for one in found.splits],
    }
    sizes = [
        f"{min(sizes) if min(sizes) == max(sizes) else f'{min(sizes)} to {max(sizes)}'} for {part}"
        for part, sizes in parts.items()
        if max(sizes)
    ]
    return f"{found.recipe.split.title}, {splits}: {', '.join(sizes)}"


def _dropped(corpus: Corpus, people: Population, recipe: Recipe) -> list[Dropped]:
    """Every usable utterance outside the population, under the first reason that holds: style, label, length."""
    style = recipe.corpus.style
    labels = {label for made_of in recipe.corpus.labels.values() for label in made_of}
    of_style = [one for one in corpus.utterances if style in ("full", one.style)]
    styles = Counter(one.style for one in corpus.utterances if style not in ("full", one.style))
    others = Counter(one.label for one in of_style if one.label not in labels)
    segment = f"shorter than one segment of {recipe.segments.length:g} s"
    below = f"shorter than corpus.min_length {recipe.corpus.min_length:g} s"
    left_out = {name: people.left_out[name] for name in recipe.corpus.classes if people.left_out.get(name)}
    short = {
        name: count - left_out.get(name, 0)
        for name in recipe.corpus.classes
        if (count := people.too_short.get(name, 0)) > left_out.get(name, 0)
    }
    reasons = {
        f"not {style}": dict(sorted(styles.items())),
        "label not in the recipe": dict(sorted(others.items())),
        segment: short,
        below: left_out,
    }
    return [Dropped(reason, sum(kinds.values()), kinds) for reason, kinds in reasons.items() if kinds]


def _overlap_table(found: Audit) -> str:
    rows = [
        [name, str(one.whole), *(f"{value:.1f}" for value in (one.train, one.test, one.both)), f"{one.seen:.1f} %"]
        for name, one in found.overlaps.items()
    ]
    headers = ["distinct", "all", "training", "test", "in both", "test utterances whose own is in training"]
    return _table(rows, headers)


def _class_table(found: Audit) -> str:
    whole = np.bincount(found.population.targets, minlength=len(found.recipe.corpus.classes))
    rows = []
    for index, name in enumerate(found.recipe.corpus.classes):
        test = found.test[:, index]
        rows.append(
            [
                name,
                _share(whole[index], whole.sum(), 0),
                _share(found.train[:, index].mean(), found.train.sum(axis=1).mean(), 1),
                _share(test.mean(), found.test.sum(axis=1).mean(), 1),
                f"{test.min()} to {test.max()}",
            ]
        )
    return _table(rows, ["class", "all", "training", "test", "test, over the splits"])


def _share(count: float, of: float, decimals: int) -> str:
    return f"{count:.{decimals}f} ({100 * count / of:.1f} %)"


def _reference_table(found: Audit) -> str:
    rows = [
        [
            name,
            mean_std([one.wa for one in reference.test]),
            mean_std([one.ua for one in reference.test]),
            f"{reference.in_sample.wa:.2f}",
            f"{reference.in_sample.ua:.2f}",
        ]
        for name, reference in found.references.items()
    ]
    headers = ["always answering", "WA, fitted on training", "UA", "WA, fitted on all, in sample", "UA, in sample"]
    return _table(rows, headers)


def _dropped_text(found: Audit) -> str:
    lines = [f"not among the {len(found.population.utterances)} utterances of the recipe:"]
    for one in found.dropped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in one.kinds.items())
        lines.append(f"  {one.reason}: {one.count} ({kinds})")
    for kind, count in found.problems.items():
        lines.append(f"  problem in the corpus, whatever the style: {kind}: {count}")
    return "\n".join(lines if len(lines) > 1 else ["every utterance of the corpus is in the recipe"])


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)
