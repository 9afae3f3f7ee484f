"""The utterances that an experiment draws its splits from, and what they are composed of."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from glam.corpora import corpus_sha256, load_corpus, scheme_of
from glam.corpora.audio import RATE
from glam.corpora.iemocap import KNOWN_COUNTS
from glam.corpora.utterances import VOTES, Corpus, Utterance, corpus_digest
from glam.errors import GlamError
from glam.inputs.cut import AnyCut
from glam.named import STORED, title_of
from glam.places import index_folder, is_table
from glam.settings import Settings
from glam.splits.crossing import refuse_copies
from glam.splits.groups import Groups, groups_of
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import runs_of
from glam.words import counted

# The order of the release's class indices; the paper's "happy" is IEMOCAP's "excited" there.
RELEASED_LABELS: dict[str, tuple[str, ...]] = {
    "neutral": ("neu",),
    "sad": ("sad",),
    "angry": ("ang",),
    "happy": ("exc",),
}
AS_RELEASED = ("iemocap", "synthetic")  # corpora with those labels
RATERS = "the raters' votes"  # asked for beside kinds of groups, and called as none of them can be
EVERYTHING = "full"  # what a part of a corpus is called that is all of it


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _each_a_class(value: Any) -> Any:
    return {label: label for label in value} if isinstance(value, list | tuple) else value


Several = Annotated[tuple[str, ...], BeforeValidator(_several)]


class CorpusSettings(Settings):
    """The corpus, which part of it counts, and which of its labels make which class.

    name: of the corpus, as listed in glam/corpora; or one of the user's own: a table (`<file>.csv`, `.tsv`, `.jsonl`),
        a scheme of names (`<file>.yaml`), or `<file>.py:<function>` that reads it.
    sha256: of that file; found when the settings are read.
    label_set: which labels count, where a corpus has several for each utterance; '' for its first.
    columns: of a table, what it says (file, emotion, speaker, ...) -> the column that says so, where that is not called
        as usual.
    where: kind of group -> the groups that count: {style: improvised}; {} for the whole corpus.
    labels: class -> labels of the corpus, in the order of the class indices; or a list of labels, each a class. {} for
        the release's on IEMOCAP, else for a class of each label.
    min_length: seconds; shorter utterances are left out, so that models of different segments split the same list (2 s
        is what the baselines need).
    """

    name: str = "iemocap"
    sha256: str | None = None
    label_set: str = ""
    columns: dict[str, str] = Field(default_factory=dict)
    where: dict[str, Several] = Field(default_factory=dict)
    labels: Annotated[dict[str, Several], BeforeValidator(_each_a_class)] = Field(default_factory=dict)
    min_length: float = Field(0.0, ge=0, le=86_400, allow_inf_nan=False)

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Self:
        if STORED not in (info.context or ()):
            try:
                digest = corpus_sha256(self.name)
                if self.sha256 not in (None, digest):
                    raise GlamError(f"{self.name} is not the file that was recorded: it has been changed since")
            except GlamError as error:
                raise ValueError(str(error)) from None
            object.__setattr__(self, "sha256", digest)
        return self

    @model_validator(mode="after")
    def _labels_make_classes(self) -> Self:
        if not self.labels and self.name in AS_RELEASED:
            object.__setattr__(self, "labels", dict(RELEASED_LABELS))
        taken = [label for labels in self.labels.values() for label in labels]
        doubled = sorted(label for label, times in Counter(taken).items() if times > 1)
        if len(self.labels) == 1:
            raise ValueError("labels: at least two classes are needed, found 1")
        if doubled:
            raise ValueError(f"labels: {', '.join(doubled)} is in more than one class")
        if empty := [name for name, labels in self.labels.items() if not labels]:
            raise ValueError(f"labels: no label of the corpus makes {', '.join(empty)}")
        return self

    def scientific(self) -> dict[str, Any]:
        """The settings that identify an experiment; labels as a list, as the order of the classes is their index."""
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude={"labels"})
        if self.sha256 is not None:
            settings["name"] = self.title
        return settings | {"labels": [[name, list(labels)] for name, labels in self.labels.items()]}

    def of(self, corpus: Corpus) -> "CorpusSettings":
        """The settings with a class for each label of the corpus, if they name none themselves."""
        if self.labels:
            return self
        labels = sorted({utterance.label for utterance in corpus.utterances if self.counts(utterance)})
        return type(self).model_validate(self.model_dump() | {"labels": {label: (label,) for label in labels}})

    def counts(self, utterance: Utterance) -> bool:
        """True where an utterance is in the part of the corpus that is meant."""
        return all(utterance.group(kind) in groups for kind, groups in self.where.items())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return tuple(self.labels)

    @property
    def title(self) -> str:
        """The name of the corpus; of one of the user's own, without the folder of its file."""
        return title_of(self.name)

    def index(self, data: Path) -> Path:
        """The folder of the corpus's index, below that of data."""
        folder = index_folder(data, self.name)
        read_so = [self.label_set, *(f"{field}={column}" for field, column in sorted(self.columns.items()))]
        how = sha256(" ".join(read_so).encode()).hexdigest()[:8]
        return folder.with_name(f"{folder.name}-{how}") if any(read_so) else folder

    def load(self, root: Path, data: Path, *, verify: bool = False) -> Corpus:
        """The corpus at `root`, read as these settings say; its index below the folder of data is kept up to date."""
        return load_corpus(
            self.name, root, self.index(data), verify=verify, label_set=self.label_set, columns=self.columns
        )

    @property
    def part(self) -> str:
        """The name of the part of the corpus: improvised, scripted, full."""
        return "-".join(group for groups in self.where.values() for group in groups) or EVERYTHING


@dataclass(frozen=True)
class Population:
    """The utterances of one part and label selection that are long enough, sorted by id.

    utterances: those that splits are drawn from. targets: their class indices.
    stored: every utterance of the label selection that is long enough, whatever its part: what the feature store
        holds, so that the parts share one.
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
    release: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over ids, labels and audio of the utterances used."""
        return corpus_digest(self.utterances)

    def digest_with(self, kinds: Collection[str]) -> str:
        """The digest, with the groups of these kinds, which splits depend on, and with the raters' votes among them.

        Groups count where a scheme or a table tells them: a change in a file beside it may change them alone.
        """
        told = is_table(self.settings.name) or scheme_of(self.settings.name) is not None
        asked = sorted({kind for kind in kinds if kind == RATERS or (kind and told)})
        if not asked:
            return self.digest

        def of(utterance: Utterance, kind: str) -> str:
            return VOTES.join(utterance.votes) if kind == RATERS else utterance.group(kind)

        groups = [[utterance.id, *(of(utterance, kind) for kind in asked)] for utterance in self.utterances]
        return sha256(json.dumps([self.digest, asked, groups]).encode()).hexdigest()

    @cached_property
    def groups(self) -> Groups:
        """Groups that the utterances belong to."""
        return groups_of(self.utterances)

    def folds(self, protocol: AnyProtocol) -> tuple[str, ...]:
        """Names of what each fold of a seed is tested on; () for protocols without folds.

        Raises GlamError where the population has too little for the protocol.
        """
        try:
            names = protocol.folds_of(self.groups)
            for run in runs_of([0], len(names)) if names or protocol.left_out is None else runs_of([0], 1):
                refuse_copies(self.groups, protocol.split(self.groups, run))
        except GlamError as error:
            raise GlamError(f"corpus {self.corpus}, {self.settings.part}: {error}") from None
        return names

    def composition(self) -> str:
        """One line: utterances per class, of which labels, and how many were too short."""
        return composition_line(self.facts())

    def facts(self) -> "Composition":
        """The composition as plain data, to be stored with an experiment."""
        labels = Counter(utterance.label for utterance in self.utterances)
        return Composition(
            corpus=self.corpus,
            synthetic=self.synthetic,
            part=self.settings.part,
            utterances=len(self.utterances),
            classes={
                name: {label: labels[label] for label in made_of} for name, made_of in self.settings.labels.items()
            },
            too_short={name: self.too_short.get(name, 0) for name in self.settings.classes},
            unusable=self.unusable,
            min_length=self.settings.min_length,
            left_out=self.left_out,
            converted=sum((utterance.rate, utterance.channels) != (RATE, 1) for utterance in self.utterances),
            release=self.release,
        )


class Composition(Settings):
    """The composition of a set of utterances: class -> label -> count, and what was too short, by class.

    left_out: of what was too short, by class, what is shorter than `min_length` seconds but not than a segment.
    converted: utterances of recordings with another rate than 16 kHz or several channels.
    release: of the corpus, and how much of it is there, in words; empty where that is not known.
    """

    corpus: str
    synthetic: bool
    part: str
    utterances: int
    classes: dict[str, dict[str, int]]
    too_short: dict[str, int]
    unusable: dict[str, int] = Field(default_factory=dict)
    min_length: float = 0.0
    left_out: dict[str, int] = Field(default_factory=dict)
    converted: int = 0
    release: str = ""


def composition_line(facts: Composition) -> str:
    """One line for reports: utterances per class, the labels of each where they are called otherwise, the too short."""
    parts = []
    for name, labels in facts.classes.items():
        made_of = " + ".join(f"{count} {label}" for label, count in labels.items())
        parts.append(f"{sum(labels.values())} {name}" + (f" ({made_of})" if list(labels) != [name] else ""))
    left_out = sum(facts.left_out.values())
    dropped = sum(facts.too_short.values()) - left_out
    return (
        f"{facts.corpus}, {facts.part}: {counted(facts.utterances, 'utterance')}: {', '.join(parts)}; "
        f"{dropped} more {'was' if dropped == 1 else 'were'} shorter than one segment and left out"
        + (f", {left_out} more shorter than {facts.min_length:g} s (corpus.min_length)" if facts.min_length else "")
        + "".join(f"; not used, {kind}: {count}" for kind, count in facts.unusable.items())
        + (f"; {counted(facts.converted, 'recording')} converted to 16 kHz mono" if facts.converted else "")
        + (f"; release: {facts.release}" if facts.release else _incomplete(facts))
    )


def _incomplete(facts: Composition) -> str:
    """A clause where a set that is called IEMOCAP is not drawn from all of it; empty elsewhere."""
    if facts.corpus != "iemocap" or facts.synthetic or whole_iemocap(facts):
        return ""
    counts, known = _iemocap_counts(facts)
    if not known:
        return "; NOT a part of IEMOCAP whose size is known"
    return (
        f"; NOT the complete IEMOCAP: {sum(counts.values())} utterances of these labels, where the release has "
        f"{sum(known.values())}"
    )


def whole_iemocap(facts: Composition) -> bool:
    """True where a set was drawn from the whole of IEMOCAP: as many utterances per class as the release has."""
    if facts.corpus != "iemocap" or facts.synthetic:
        return False
    counts, known = _iemocap_counts(facts)
    return bool(known) and counts == known


def _iemocap_counts(facts: Composition) -> tuple[dict[str, int], dict[str, int]]:
    """Utterances of each class, the too short included: here, and in the release ({} for a part of unknown size)."""
    parts = list(KNOWN_COUNTS) if facts.part == EVERYTHING else [facts.part]
    counts = {name: sum(labels.values()) + facts.too_short.get(name, 0) for name, labels in facts.classes.items()}
    if not all(part in KNOWN_COUNTS for part in parts):
        return counts, {}
    return counts, {
        name: sum(KNOWN_COUNTS[part].get(label, 0) for part in parts for label in labels)
        for name, labels in facts.classes.items()
    }


def population(corpus: Corpus, settings: CorpusSettings, cut: AnyCut) -> Population:
    """The population of a corpus under these settings.

    Raises GlamError where a label of the settings does not occur in the corpus at all, where it has no such part, or
    where nothing usable is left, naming what was found.
    """
    settings = settings.of(corpus)
    _check_part(corpus, settings)
    target = {label: i for i, labels in enumerate(settings.labels.values()) for label in labels}
    selected = [utterance for utterance in corpus.utterances if utterance.label in target]
    stored = tuple(utterance for utterance in selected if cut.keeps(utterance.samples))
    kept = {utterance.id for utterance in stored}
    of_part = [utterance for utterance in selected if settings.counts(utterance)]
    usable = [utterance for utterance in of_part if utterance.id in kept]
    used = tuple(utterance for utterance in usable if utterance.samples >= int(settings.min_length * RATE))

    def by_class(utterances: Sequence[Utterance]) -> Counter[str]:
        return Counter(settings.classes[target[utterance.label]] for utterance in utterances)

    _check_used(corpus, settings, cut, of_part, used)
    return Population(
        settings=settings,
        corpus=corpus.name,
        synthetic=corpus.synthetic,
        utterances=used,
        targets=tuple(target[utterance.label] for utterance in used),
        stored=stored,
        too_short=dict(by_class(of_part) - by_class(used)),
        left_out=dict(by_class(usable) - by_class(used)),
        unusable=dict(Counter(problem.kind for problem in corpus.problems)),
        release=corpus.release,
    )


def _check_used(
    corpus: Corpus, settings: CorpusSettings, cut: AnyCut, of_part: Sequence[Utterance], used: Sequence[Utterance]
) -> None:
    """GlamError where no utterance of the part is used, or none of a class."""
    present = {utterance.label for utterance in used}
    empty = [name for name, made_of in settings.labels.items() if present.isdisjoint(made_of)]
    if used and not empty:
        return
    labels = Counter(utterance.label for utterance in corpus.utterances)
    by_label = ", ".join(f"{count} {label}" for label, count in sorted(labels.items())) or "none"
    asked = ", ".join(label for name in empty for label in settings.labels[name])
    if used:
        raise GlamError(
            f"no usable utterance of class {', '.join(empty)} (labels {asked}) in the {settings.part} part of "
            f"{corpus.root}; at least one is needed. Utterances found, by label: {by_label}."
        )
    minimum = f" (or corpus.min_length, {settings.min_length:g} s)" if settings.min_length else ""
    raise GlamError(
        f"no usable utterance in {corpus.root}: in the part {settings.part} with the labels {asked} there "
        + (f"are {len(of_part)}, all too short for {cut.title}{minimum}. " if of_part else "is none. ")
        + f"Utterances found, by label: {by_label}. Look at the corpus with glam corpus, or change "
        "corpus.labels, corpus.where or cut.length."
    )


def _check_part(corpus: Corpus, settings: CorpusSettings) -> None:
    """GlamError where the corpus has no such kind of group, or no such group."""
    for kind, groups in settings.where.items():
        known = {utterance.group(kind) for utterance in corpus.utterances} - {""}
        if absent := [group for group in groups if group not in known]:
            kinds = sorted({kind for utterance in corpus.utterances for kind in utterance.groups} | {"speaker"})
            shown = ", ".join(sorted(known)[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
            raise GlamError(
                f"corpus.where: {corpus.root} has no utterance whose {kind} is {', '.join(absent)}; "
                + (
                    f"there are {shown}"
                    if known
                    else f"it knows of {', '.join(kinds)} (--set corpus.where={{}}: all of it)"
                )
            )
