"""Saved models on other corpora than the one they were trained on: labels that are tested as classes, and scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.corpora.emotions import class_of_each
from glam.corpora.utterances import Corpus, Utterance, read_index
from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.evaluation.metrics import confusion_matrix, scores_of
from glam.reports.grid import grid, mean_std
from glam.reports.summary import SYNTHETIC
from glam.results.experiment import StoredExperiment
from glam.results.run import MODEL, StoredRun, read_run
from glam.words import range_of

COLUMNS = ("wa", "ua", "macro_f1")
SHARED = "among the classes in both"


@dataclass(frozen=True, eq=False)
class Asked:
    """What the model of one run says of the utterances of a corpus that it was not trained on.

    ids: U of them. truth: (U,) int64, their classes. logits: (U, C) float32. heard: how many more it was trained on, or
    its epoch may have been chosen on; they are left out.
    """

    run: StoredRun
    epoch: int
    ids: tuple[str, ...]
    truth: NDArray[np.int64]
    logits: NDArray[np.float32]
    heard: int

    def confusion(self, classes: int, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """(C, C) counts, rows truth. among: classes of which alone one can be the answer."""
        answers = self.logits.argmax(axis=1)
        if among is not None:
            answers = among[self.logits[:, among].argmax(axis=1)]
        return confusion_matrix(self.truth, answers, classes)


@dataclass(frozen=True, eq=False)
class CrossTest:
    """The saved models of an experiment on a corpus.

    mapped: label of the corpus -> class. unmapped: label -> utterances that are therefore not tested. too_short: for a
    row of the cut. known_training: whether it could be found out which utterances were trained on.
    """

    experiment: StoredExperiment
    corpus: Corpus
    mapped: Mapping[str, str]
    unmapped: Mapping[str, int]
    too_short: int
    known_training: bool
    asked: tuple[Asked, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return self.experiment.classes

    @property
    def present(self) -> NDArray[np.int64]:
        """Indices of the classes that a label of the corpus means."""
        return np.array([i for i, name in enumerate(self.classes) if name in self.mapped.values()], dtype=np.int64)

    def values(self, metric: str, shared: bool = False) -> list[float]:
        """A metric (wa, ua, macro_f1) of each model, in percent. shared: only what the corpus has can be an answer."""
        among = self.present if shared else None
        return [float(getattr(scores_of(asked.confusion(len(self.classes), among)), metric)) for asked in self.asked]


def models_of(experiment: StoredExperiment) -> list[StoredRun]:
    """The finished runs of an experiment that kept their model; GlamError, saying how to get one, where none did."""
    names = experiment.with_model()
    if not names:
        raise GlamError(
            f"{experiment.folder}: none of its runs kept its model ({MODEL}). Train one seed that is not stored yet "
            "with --save-model best (the command of these runs, with --next 1)."
        )
    return [read_run(experiment.folder / name) for name in names]


def cross_test(
    experiment: StoredExperiment,
    corpus: Corpus,
    given: Mapping[str, str],
    data: Path,
) -> CrossTest:
    """Ask every saved model of an experiment about a corpus.

    given: label of the corpus -> class of the experiment ('' to leave the label out), where the names do not say it;
    other classes are another experiment's, and passed over. data: folder of indexes and inputs. What a model was
    trained on, told by the recording's hash, is left out. Raises GlamError where no label is of any class.
    """
    runs = models_of(experiment)
    labels = Counter(utterance.label for utterance in corpus.utterances)
    here = {label: name for label, name in given.items() if name in ("", *experiment.classes)}
    mapped = class_of_each(sorted(labels), experiment.recipe.corpus.labels, here)
    if not mapped:
        raise GlamError(
            f"{corpus.root}: no label there ({', '.join(sorted(labels))}) means a class of {experiment.folder.name} "
            f"({', '.join(experiment.classes)}). Say which is which with --map LABEL=CLASS."
        )
    meant = [utterance for utterance in corpus.utterances if utterance.label in mapped]
    kept = [utterance for utterance in meant if experiment.recipe.cut.keeps(utterance.samples)]
    if not kept:
        raise GlamError(
            f"{corpus.root}: all {len(meant)} utterances of these classes are too short for "
            f"{experiment.recipe.cut.title}"
        )
    index = {name: i for i, name in enumerate(experiment.classes)}
    truth = np.array([index[mapped[utterance.label]] for utterance in kept], dtype=np.int64)
    heard = _training_recordings(experiment, corpus, data)
    asked = [_ask(run, kept, truth, heard, corpus, data) for run in runs]
    return CrossTest(
        experiment=experiment,
        corpus=corpus,
        mapped=mapped,
        unmapped={label: count for label, count in sorted(labels.items()) if label not in mapped},
        too_short=len(meant) - len(kept),
        known_training=heard is not None,
        asked=tuple(asked),
    )


def check_given(given: Mapping[str, str], experiments: Sequence[StoredExperiment], corpora: Sequence[Corpus]) -> None:
    """Raise GlamError where none of the corpora has a label that is given, or no experiment the class."""
    labels = {utterance.label for corpus in corpora for utterance in corpus.utterances}
    classes = dict.fromkeys(name for experiment in experiments for name in experiment.classes)
    for label, name in given.items():
        if label not in labels:
            raise GlamError(
                f"--map {label}={name}: no corpus of --on has such a label; there are {', '.join(sorted(labels))}"
            )
        if name and name not in classes:
            raise GlamError(f"--map {label}={name}: no experiment has such a class; there are {', '.join(classes)}")


def _training_recordings(experiment: StoredExperiment, corpus: Corpus, data: Path) -> list[str] | None:
    """Hashes of the recordings of the experiment's utterances, in its order; None where its index is not there."""
    settings = experiment.recipe.corpus
    indexed = read_index(settings.index(data))
    same = corpus if settings.title == corpus.name else indexed
    for known in (indexed, same):
        if known is not None:
            hashes = {utterance.id: utterance.sha256 for utterance in known.utterances}
            if all(name in hashes for name in experiment.ids):
                return [hashes[name] for name in experiment.ids]
    return None


def _ask(
    run: StoredRun,
    utterances: Sequence[Utterance],
    truth: NDArray[np.int64],
    recordings: Sequence[str] | None,
    corpus: Corpus,
    data: Path,
) -> Asked:
    from glam.running.ask import ask
    from glam.running.saved import load_model

    run.read(MODEL)  # refuses what is not what was written
    model = load_model(run.folder / MODEL)
    model.check_sound_alone(run.folder / MODEL)
    logits = ask(model, corpus.root, utterances, data)
    new = np.ones(len(utterances), dtype=bool)
    if recordings is not None:
        stored = run.predictions()
        used = np.concatenate([stored.train, stored.held_out[: run.validation_only]])
        heard = {recordings[i] for i in used}
        new = np.array([utterance.sha256 not in heard for utterance in utterances])
    if not new.any():
        raise GlamError(f"{corpus.root}: every utterance there was trained on by {run.folder}; nothing is left to test")
    return Asked(
        run=run,
        epoch=model.epoch,
        ids=tuple(utterance.id for utterance, keep in zip(utterances, new, strict=True) if keep),
        truth=truth[new],
        logits=logits[new],
        heard=int((~new).sum()),
    )


def cross_text(test: CrossTest) -> str:
    """The report on one experiment on one corpus, as Markdown text."""
    experiment, corpus = test.experiment, test.corpus
    lines = [
        f"trained on {experiment.recipe.corpus.title} ({experiment.folder.name}), tested on {corpus.name}",
        *([SYNTHETIC] if corpus.synthetic or experiment.composition.synthetic else []),
        "",
        _scores(test),
        "",
        _recalls(test),
        "",
        f"models: {len(test.asked)}, {', '.join(f'{asked.run.key} (epoch {asked.epoch})' for asked in test.asked)}",
        f"tested: {range_of([len(asked.ids) for asked in test.asked])} utterances; labels: "
        + ", ".join(label if label == name else f"{label} as {name}" for label, name in test.mapped.items()),
    ]
    if test.unmapped:
        left = ", ".join(f"{count} {label}" for label, count in test.unmapped.items())
        lines.append(f"not tested, as no class is called so (--map): {left}")
    lines += _left_out(test)
    if corpus.release:
        lines.append(f"release: {corpus.release}")
    return "\n".join(lines)


def _left_out(test: CrossTest) -> list[str]:
    lines = []
    if test.too_short:
        lines.append(f"not tested, too short for {test.experiment.recipe.cut.title}: {test.too_short}")
    if heard := {asked.heard for asked in test.asked} - {0}:
        lines.append(
            "not tested, as the model was trained on the same recording or its epoch was chosen on it: "
            + range_of(heard)
        )
        if not test.experiment.split.own_validation:
            lines.append("the epoch may have been chosen on what is tested here: the score is optimistic")
    if not test.known_training:
        lines.append(
            f"NOT KNOWN whether recordings were trained on, too: the index of "
            f"{test.experiment.recipe.corpus.title} is not in the data folder (glam corpus makes it)"
        )
    for kind, count in Counter(problem.kind for problem in test.corpus.problems).items():
        lines.append(f"not used, {kind}: {count}")
    return lines


def _scores(test: CrossTest) -> str:
    rows = [["all classes possible", *(mean_std(test.values(metric)) for metric in COLUMNS)]]
    if len(test.present) < len(test.classes):
        lacking = [name for i, name in enumerate(test.classes) if i not in test.present]
        rows.append(
            [f"{SHARED} (not {', '.join(lacking)})", *(mean_std(test.values(metric, True)) for metric in COLUMNS)]
        )
    return grid(["", *(METRICS[name].title for name in COLUMNS)], rows)


def _recalls(test: CrossTest) -> str:
    """Answers by true class, in percent: the mean over the models."""
    classes = len(test.classes)
    shares = []
    for asked in test.asked:
        counts = asked.confusion(classes).astype(float)
        shares.append(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    mean = np.mean(shares, axis=0)
    sizes = test.asked[0].confusion(classes).sum(axis=1)
    rows = [
        [f"{test.classes[i]} ({sizes[i]})", *(f"{value:.1f}" for value in mean[i])] for i in test.present if sizes[i]
    ]
    return grid(["true class, answered % of the time", *test.classes], rows)


def titles(experiments: Sequence[StoredExperiment]) -> list[str]:
    """A name for each of experiments side by side: the corpus they are trained on, with what else tells them apart."""
    corpora = [experiment.recipe.corpus.title for experiment in experiments]
    if len(set(corpora)) == len(corpora):
        return corpora
    models = [
        f"{corpus}, {experiment.recipe.model.title}" for corpus, experiment in zip(corpora, experiments, strict=True)
    ]
    if len(set(models)) == len(models):
        return models
    return [experiment.folder.name for experiment in experiments]


def corpora_of(row: Sequence[CrossTest]) -> list[str]:
    """A name for each corpus of a row of the matrix: of several of one name, with the folder."""
    names = [test.corpus.name for test in row]
    return [
        f"{test.corpus.root.name}/{name}" if names.count(name) > 1 else name
        for name, test in zip(names, row, strict=True)
    ]


def matrix_text(tests: Sequence[Sequence[CrossTest]]) -> str:
    """WA and UA of every experiment (rows) on every corpus (columns), as Markdown text."""
    rows_of = titles([row[0].experiment for row in tests])
    blocks = []
    for metric in ("ua", "wa"):
        heading = f"{METRICS[metric].title}: trained on \\ tested on"
        rows = [
            [name, *(mean_std(test.values(metric)) for test in row)] for name, row in zip(rows_of, tests, strict=True)
        ]
        blocks.append(grid([heading, *corpora_of(tests[0])], rows))
    return "\n\n".join(blocks)


def scores(tests: Sequence[CrossTest]) -> list[list[str]]:
    """Rows of a table with a heading: the scores of every model on every corpus."""
    rows = [["experiment", "trained_on", "run", "tested_on", "utterances", *COLUMNS, *(f"{m}_shared" for m in COLUMNS)]]
    for test in tests:
        values = [test.values(metric, shared) for shared in (False, True) for metric in COLUMNS]
        for i, asked in enumerate(test.asked):
            about = [test.experiment.folder.name, test.experiment.recipe.corpus.title, asked.run.key.name]
            rows.append(
                [*about, test.corpus.name, str(len(asked.ids)), *(f"{of_metric[i]:.4f}" for of_metric in values)]
            )
    return rows


def answers(tests: Sequence[CrossTest]) -> list[list[str]]:
    """Rows of a table with a heading: the answer of every model about every utterance, and its logits."""
    most = max(len(test.classes) for test in tests)
    rows = [["experiment", "run", "tested_on", "utterance", "class", "answer", *(f"logit_{i}" for i in range(most))]]
    for test in tests:
        for asked in test.asked:
            about = [test.experiment.folder.name, asked.run.key.name, test.corpus.name]
            for name, truth, logits in zip(asked.ids, asked.truth, asked.logits, strict=True):
                answer = test.classes[int(logits.argmax())]
                rows.append([*about, name, test.classes[truth], answer, *(f"{value:.6g}" for value in logits)])
    return rows
