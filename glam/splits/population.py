"""The utterances that an experiment draws its splits from, and what they are composed of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from glam.corpora import CORPORA
from glam.corpora.audio import RATE
from glam.corpora.utterances import Corpus, Utterance, corpus_digest
from glam.errors import GlamError
from glam.inputs.cut import SegmentSettings, long_enough
from glam.settings import Settings
from glam.splits.groups import Groups, groups_of
from glam.splits.splits import SplitSettings, fold_names, runs_of, split

Style = Literal["improvised", "scripted", "full"]

# The order of the release's class indices; the paper's "happy" is IEMOCAP's "excited" there.
RELEASED_LABELS: dict[str, tuple[str, ...]] = {
    "neutral": ("neu",),
    "sad": ("sad",),
    "angry": ("ang",),
    "happy": ("exc",),
}


class CorpusSettings(Settings):
    """Which corpus, which of its styles, and which of its labels make which class.

    name: of the corpus, as listed in glam/corpora.
    style: `improvised`, `scripted`, or `full` for both.
    labels: class -> labels of the corpus, in the order of the class indices.
    min_length: seconds; shorter utterances are left out, so that models of different segments split the same list (2 s
        is what the baselines need).
    """

    name: str = "iemocap"
    style: Style = "improvised"
    labels: dict[str, tuple[str, ...]] = RELEASED_LABELS
    min_length: float = Field(0.0, ge=0, allow_inf_nan=False)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CORPORA:
            raise ValueError(f"there is no corpus {name!r}; the corpora are {', '.join(CORPORA)}")
        return name

    @model_validator(mode="after")
    def _labels_make_classes(self) -> Self:
        taken = [label for labels in self.labels.values() for label in labels]
        twice = sorted(label for label, times in Counter(taken).items() if times > 1)
        if len(self.labels) < 2:
            raise ValueError(f"labels: at least two classes are needed, found {len(self.labels)}")
        if twice:
            raise ValueError(f"labels: {', '.join(twice)} stands in more than one class")
        if empty := [name for name, labels in self.labels.items() if not labels]:
            raise ValueError(f"labels: no label of the corpus makes {', '.join(empty)}")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return tuple(self.labels)


@dataclass(frozen=True)
class Population:
    """The utterances of one style and label selection that are long enough, sorted by id.

    utterances: those that splits are drawn from. targets: their class indices.
    stored: every utterance of the label selection that is long enough, whatever its style: what the feature store
        holds, so that the styles share one.
    unusable: number of problems of the corpus, by kind: what could not be used, whatever its label.
    too_short: number of utterances dropped, by class name; left_out: of those, how many are long enough for a segment
        but shorter than the setting `min_length`.
    """

    settings: CorpusSettings
    corpus: str
    synthetic: bool
    utterances: tuple[Utterance, ...]
    targets: tuple[int, ...]
    stored: tuple[Utterance, ...]
    too_short: dict[str, int]
    left_out: dict[str, int]
    unusable: dict[str, int]

    @property
    def digest(self) -> str:
        """SHA-256 over ids, labels and audio of the utterances used."""
        return corpus_digest(self.utterances)

    @cached_property
    def groups(self) -> Groups:
        """What the utterances belong to."""
        return groups_of(self.utterances)

    def folds(self, settings: SplitSettings) -> tuple[str, ...]:
        """What each fold of a seed is tested on, by name; () for protocols without folds.

        Raises GlamError where the population has too little for the protocol.
        """
        try:
            names = fold_names(settings, self.groups)
            for run in runs_of([0], len(names)):
                split(settings, self.groups, run)
        except GlamError as error:
            raise GlamError(f"corpus {self.corpus}, {self.settings.style}: {error}") from None
        return names

    def composition(self) -> str:
        """One line: utterances per class, of which labels, and how many were too short."""
        return composition_line(self.facts())

    def facts(self) -> "Composition":
        """The composition as plain data, to be stored with an experiment."""
        index = {name: i for i, name in enumerate(self.settings.classes)}
        labels = Counter(utterance.label for utterance in self.utterances)
        return Composition(
            corpus=self.corpus,
            synthetic=self.synthetic,
            style=self.settings.style,
            utterances=len(self.utterances),
            classes={
                name: {label: labels[label] for label in made_of} for name, made_of in self.settings.labels.items()
            },
            too_short={name: self.too_short.get(name, 0) for name in index},
            unusable=self.unusable,
            min_length=self.settings.min_length,
            left_out=self.left_out,
        )


class Composition(Settings):
    """What a set of utterances is composed of: class -> label -> count, and what was too short, by class.

    left_out: of what was too short, by class, what is shorter than `min_length` seconds but not than a segment.
    """

    corpus: str
    synthetic: bool
    style: Style
    utterances: int
    classes: dict[str, dict[str, int]]
    too_short: dict[str, int]
    unusable: dict[str, int] = Field(default_factory=dict)
    min_length: float = 0.0
    left_out: dict[str, int] = Field(default_factory=dict)


def composition_line(facts: Composition) -> str:
    """One line for reports: utterances per class, what each is made of where not of one label, the too short."""
    parts = []
    for name, labels in facts.classes.items():
        made_of = " + ".join(f"{count} {label}" for label, count in labels.items())
        parts.append(f"{sum(labels.values())} {name} ({made_of})")
    left_out = sum(facts.left_out.values())
    dropped = sum(facts.too_short.values()) - left_out
    return (
        f"{facts.corpus}, {facts.style}: {facts.utterances} utterances: {', '.join(parts)}; "
        f"{dropped} more were shorter than one segment and left out"
        + (f", {left_out} more shorter than {facts.min_length:g} s (corpus.min_length)" if facts.min_length else "")
        + "".join(f"; not used, {kind}: {count}" for kind, count in facts.unusable.items())
    )


def population(corpus: Corpus, settings: CorpusSettings, segments: SegmentSettings) -> Population:
    """The population of a corpus under these settings.

    Raises GlamError where a label of the settings does not occur in the corpus at all, or where nothing usable is
    left, naming what was found.
    """
    target = {label: i for i, labels in enumerate(settings.labels.values()) for label in labels}
    selected = [utterance for utterance in corpus.utterances if utterance.label in target]
    found = Counter(utterance.label for utterance in corpus.utterances)
    stored = tuple(u for u in selected if long_enough(u.samples, segments.samples, segments.padding))
    kept = set(stored)
    of_style = [u for u in selected if settings.style in ("full", u.style)]
    usable = [u for u in of_style if u in kept]
    used = tuple(u for u in usable if u.samples >= int(settings.min_length * RATE))

    def by_class(utterances: Sequence[Utterance]) -> Counter[str]:
        return Counter(settings.classes[target[u.label]] for u in utterances)

    if not used:
        labels = ", ".join(f"{count} {label}" for label, count in sorted(found.items())) or "none"
        minimum = f" (or corpus.min_length, {settings.min_length:g} s)" if settings.min_length else ""
        raise GlamError(
            f"no usable utterance in {corpus.root}: of style {settings.style} with the labels "
            f"{', '.join(target)} there are {len(of_style)}, all shorter than one segment of "
            f"{segments.length:g} s{minimum} or none at all. Utterances found, by label: {labels}. Look at the corpus "
            "with handleIEMOCAP.py, or change corpus.labels, corpus.style or segments.length."
        )
    empty = [name for name, labels in settings.labels.items() if not any(u.label in labels for u in used)]
    if empty:
        raise GlamError(
            f"no usable utterance of class {', '.join(empty)} (labels "
            f"{', '.join(label for name in empty for label in settings.labels[name])}) in the {settings.style} "
            f"part of {corpus.root}; at least one is needed. Utterances found, by label: "
            f"{', '.join(f'{count} {label}' for label, count in sorted(found.items()))}."
        )
    return Population(
        settings=settings,
        corpus=corpus.name,
        synthetic=corpus.synthetic,
        utterances=used,
        targets=tuple(target[u.label] for u in used),
        stored=stored,
        too_short=dict(by_class(of_style) - by_class(used)),
        left_out=dict(by_class(usable) - by_class(used)),
        unusable=dict(Counter(problem.kind for problem in corpus.problems)),
    )
