"""What a recipe's splits share between training and test, and what scores without hearing anything.

A random split puts speakers, scenarios and dialogues on both sides, and the scenario alone gives most emotions away.
A score is worth what it has above these reference points.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from glam.data.population import Population, population
from glam.data.splits import Split, random_split
from glam.data.utterances import Corpus, Utterance
from glam.evaluation.baselines import majority_of_group
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of
from glam.reports.summary import SYNTHETIC, mean_std
from glam.training.recipe import Recipe

Ints = NDArray[np.int64]

# What utterances may share, by name of the table's row.
ATTRIBUTES: dict[str, Callable[[Utterance], str]] = {
    "utterances": lambda one: one.id,
    "speakers": lambda one: one.speaker,
    "dialogues": lambda one: one.dialogue,
    "scenarios": lambda one: one.scenario,
    "recordings": lambda one: one.sha256,
}
EVERYTHING = "the majority class"
REFERENCES = {EVERYTHING: "", "the majority of its scenario": "scenarios", "the majority of its dialogue": "dialogues"}


@dataclass(frozen=True)
class Overlap:
    """How many distinct ones there are of an attribute; training, test and both are means over the splits.

    whole: in the population. train, test: in that part of a split. both: in either. seen: the share of test
    utterances, in percent, whose own occurs in training.
    """

    whole: int
    train: float
    test: float
    both: float
    seen: float


@dataclass(frozen=True)
class Reference:
    """A reference point, its scores in percent.

    test: one a split, fitted on its training part and scored on its test part. in_sample: fitted and scored on the
    whole population. unseen: mean number of test utterances a split whose group does not occur in training.
    """

    test: tuple[Scores, ...]
    in_sample: Scores
    unseen: float


@dataclass(frozen=True)
class Dropped:
    """Utterances that are not in the population: why, how many, and of which kinds."""

    reason: str
    count: int
    kinds: dict[str, int]


@dataclass(frozen=True, eq=False)
class Audit:
    """What is to be known of a recipe's splits. train, test: (splits, classes) utterances of each class."""

    recipe: Recipe
    population: Population
    train: Ints
    test: Ints
    overlaps: dict[str, Overlap]
    references: dict[str, Reference]
    dropped: tuple[Dropped, ...]
    problems: dict[str, int]


def audit(corpus: Corpus, recipe: Recipe, seeds: Sequence[int]) -> Audit:
    """Look through the splits of these seeds; raises GlamError where the recipe cannot run on the corpus."""
    people = population(corpus, recipe.corpus, recipe.segments)
    count, classes = len(people.utterances), len(recipe.corpus.classes)
    splits = [random_split(count, seed, recipe.split.train_share) for seed in seeds]
    targets = np.array(people.targets, dtype=np.int64)
    groups = {name: _numbered([of(one) for one in people.utterances]) for name, of in ATTRIBUTES.items()}
    groups[""] = np.zeros(count, dtype=np.int64)
    return Audit(
        recipe=recipe,
        population=people,
        train=np.stack([np.bincount(targets[split.train], minlength=classes) for split in splits]),
        test=np.stack([np.bincount(targets[split.held_out], minlength=classes) for split in splits]),
        overlaps={name: _overlap(groups[name], splits) for name in ATTRIBUTES},
        references={name: _reference(groups[of], targets, classes, splits) for name, of in REFERENCES.items()},
        dropped=tuple(_dropped(corpus, people, recipe)),
        problems=dict(Counter(problem.kind for problem in corpus.problems)),
    )


def audit_text(found: Audit) -> str:
    """The audit as Markdown text."""
    splits, people = len(found.test), found.population
    train, test = int(found.train[0].sum()), int(found.test[0].sum())
    lines = [f"recipe {found.recipe.name}"]
    if people.synthetic:
        lines.append(SYNTHETIC)
    lines += [
        f"corpus: {people.composition()}",
        f"protocol: {splits} random split{'s' * (splits > 1)} of utterances, {train} for training and {test} for test",
    ]
    unseen = ", ".join(
        f"{one.unseen:.1f} without a {name.split()[-1]} in training"
        for name, one in found.references.items()
        if name != EVERYTHING
    )
    return "\n\n".join(
        [
            "\n".join(lines),
            "What training and test share (means over the splits)\n\n" + _overlap_table(found),
            "Class balance (means over the splits)\n\n" + _class_table(found),
            "What scores without hearing anything\n\n" + _reference_table(found),
            f"of {test} test utterances a split, {unseen}: those get the majority class; of equally common classes, "
            "the first in the order above is taken",
            _dropped_text(found),
        ]
    )


def audit_line(found: Audit) -> str:
    """The audit in one line, for below a table: what training and test share, and what that alone scores."""
    splits, recipe = len(found.test), found.recipe
    shared = {"speakers": "the speaker", "dialogues": "the dialogue", "scenarios": "the scenario"}
    shared["recordings"] = "an identical recording"
    seen = ", ".join(f"{what} of {found.overlaps[name].seen:.1f} %" for name, what in shared.items())
    scores = ", ".join(
        f"{name.removeprefix('the majority ')} {np.mean([one.wa for one in reference.test]):.1f} / "
        f"{np.mean([one.ua for one in reference.test]):.1f}"
        for name, reference in found.references.items()
    )
    return (
        f"audit of {recipe.corpus.style} ({len(found.population.utterances)} utterances of {recipe.segments.length:g} "
        f"s or more, {splits} random split{'s' * (splits > 1)}): of the test utterances, training has {seen}; WA / UA "
        f"of always answering the majority {scores}"
    )


def _numbered(names: Sequence[str]) -> Ints:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _overlap(groups: Ints, splits: Sequence[Split]) -> Overlap:
    rows = []
    for split in splits:
        train, test = np.unique(groups[split.train]), np.unique(groups[split.held_out])
        seen = 100 * np.isin(groups[split.held_out], train).mean()
        rows.append((train.size, test.size, np.intersect1d(train, test).size, seen))
    train_size, test_size, both, seen = np.mean(rows, axis=0).tolist()
    return Overlap(int(np.unique(groups).size), train_size, test_size, both, seen)


def _reference(groups: Ints, targets: Ints, classes: int, splits: Sequence[Split]) -> Reference:
    def scored(train: Ints, test: Ints) -> Scores:
        guess = majority_of_group(groups[train], targets[train], groups[test], classes)
        return scores_of(confusion_matrix(targets[test], guess, classes))

    everyone = np.arange(len(targets))
    unseen = [(~np.isin(groups[split.held_out], groups[split.train])).sum() for split in splits]
    return Reference(
        test=tuple(scored(split.train, split.held_out) for split in splits),
        in_sample=scored(everyone, everyone),
        unseen=float(np.mean(unseen)),
    )


def _dropped(corpus: Corpus, people: Population, recipe: Recipe) -> list[Dropped]:
    """Every usable utterance outside the population, under the first reason that holds: style, label, length."""
    style = recipe.corpus.style
    labels = {label for made_of in recipe.corpus.labels.values() for label in made_of}
    of_style = [one for one in corpus.utterances if style in ("full", one.style)]
    styles = Counter(one.style for one in corpus.utterances if style not in ("full", one.style))
    others = Counter(one.label for one in of_style if one.label not in labels)
    segment = f"shorter than one segment of {recipe.segments.length:g} s"
    short = {name: people.too_short[name] for name in recipe.corpus.classes if people.too_short.get(name)}
    reasons = {
        f"not {style}": dict(sorted(styles.items())),
        "label not in the recipe": dict(sorted(others.items())),
        segment: short,
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
    whole = found.train[0] + found.test[0]
    rows = []
    for index, name in enumerate(found.recipe.corpus.classes):
        test = found.test[:, index]
        rows.append(
            [
                name,
                _share(whole[index], whole.sum(), 0),
                _share(found.train[:, index].mean(), found.train[0].sum(), 1),
                _share(test.mean(), found.test[0].sum(), 1),
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
