"""Analyses that a reviewer asks for, from what is stored: the model beside what needs no hearing, scores by group, and
what the raters' votes say.

Every one says why where it cannot be computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.corpora.votes import votes_on
from glam.errors import GlamError
from glam.evaluation.baselines import majority_of_group
from glam.evaluation.groups import LEAST, ByGroup, Gap, by_group
from glam.evaluation.paired import Pairing, Where, pairing
from glam.evaluation.raters import Agreement, accuracy_by_agreement, ceiling, share_agreeing
from glam.evaluation.scored import Scored
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import per_utterance
from glam.reports.grid import Block, Table, markdown, signed, signed_interval
from glam.reports.runs import Read, read_results
from glam.reports.sharing import EVERYTHING, HEARS_NOTHING, reference_codes
from glam.reports.spread import between, speakers_of
from glam.reports.summary import heading
from glam.reports.views import Result, View, default_view, selection
from glam.results.experiment import StoredExperiment, read_experiment
from glam.words import counted

SINGLE = ("recording",)  # kinds of group that are no groups of speech
SHOWN = 12  # groups of a kind that get a row each


def analyses(folder: Path, view: View | None = None, indexed: Sequence[Utterance] = ()) -> str:
    """The analyses of the runs of an experiment, as Markdown text; only reads.

    view: if not the default one. indexed: the utterances of the corpus's index, for the raters' votes. Raises GlamError
    where no run is finished.
    """
    experiment = read_experiment(folder)
    read = read_results(experiment, view or default_view(experiment))
    if not read.results:
        raise GlamError(f"{folder}: nothing to analyse, no run of it is finished")
    head = [heading(experiment), *lines_about(read)]
    sections = [f"## {title}\n\n{markdown(blocks)}" for title, blocks in sections_of(read, indexed).items()]
    return "\n\n".join(["\n".join(head), *sections])


def lines_about(read: Read) -> list[str]:
    """What the analyses of finished runs are over."""
    predictions = len(read.everything.truth)
    tested = len(np.unique(read.everything.utterances))
    once = "; an utterance that several runs test counts once, with its mean" if predictions > tested else ""
    return [
        f"runs: {len(read.results)}, {predictions} predictions of {counted(tested, 'utterance')}{once}",
        f"epoch: {selection(read.view, read.experiment)}",
        *(f"LEFT OUT: {reason}" for reason in read.left_out),
    ]


def sections_of(read: Read, indexed: Sequence[Utterance] = ()) -> dict[str, list[Block]]:
    """The analyses of finished runs, by title. indexed: as for `analyses`."""
    experiment, everything = read.experiment, read.everything
    return {
        "The model beside what needs no hearing": references(experiment, read.results),
        **{f"By {kind}": groups(experiment, everything, kind) for kind in kinds_of(experiment)},
        "The raters' votes": votes(experiment, everything, indexed),
    }


def kinds_of(experiment: StoredExperiment) -> list[str]:
    """The kinds of group by which scores are shown: those of which there are two groups or more."""
    return [
        kind
        for kind, grouping in experiment.groups.items()
        if kind not in SINGLE and len(set(grouping.names) - {""}) > 1
    ]


@dataclass(frozen=True)
class BesideMajority:
    """The model beside the commonest class of each utterance's group, on the same test utterances.

    pairing: the model, then the reference. wa: of the reference, in percent. predictions: how many are compared, and
    unseen: of how many of them the group has no utterance in training, so that they get the commonest class of all.
    """

    pairing: Pairing
    wa: float
    predictions: int
    unseen: int


def beside_majority(experiment: StoredExperiment, results: Sequence[Result], kind: str) -> BesideMajority | str:
    """The model beside the majority of the groups of that kind, fitted on the training part of each run.

    Or why there is no such comparison, in words: also where no group that is tested is trained on, so that all test
    utterances would get the majority class.
    """
    codes, speakers = reference_codes(experiment.groups, kind), speakers_of(experiment)
    if isinstance(speakers, Unknown):
        return str(speakers)
    if codes is None:
        return str(Unknown(f"the corpus knows of no {kind}"))
    parts = []
    for outcome in results:
        scored, train = outcome.scored(), outcome.train()
        asked = codes[scored.utterances]
        guess = majority_of_group(codes[train], experiment.targets[train], asked, len(experiment.classes))
        unseen = ~np.isin(asked, codes[train])
        parts.append((scored.predicted == scored.truth, guess == scored.truth, scored.utterances, unseen))
    ours, theirs, utterances, unseen = (np.concatenate(column) for column in zip(*parts, strict=True))
    if unseen.all():
        return f"the majority class alone, as no {kind} of a test utterance occurs in training"
    means = per_utterance(100 * theirs, utterances)
    pair = pairing(ours, theirs, utterances, speakers[utterances])
    return BesideMajority(pair, float(means.mean.mean()), utterances.size, int(unseen.sum()))


def majority(kind: str) -> str:
    """The reference of that kind of group in words: the majority class, of all utterances or of a group's."""
    return f"the majority of the {kind}" if kind else EVERYTHING


def references(experiment: StoredExperiment, results: Sequence[Result]) -> list[Block]:
    """The model against each reference, paired on the same test utterances."""
    rows, lines = [], []
    for kind in HEARS_NOTHING:
        beside, name = beside_majority(experiment, results, kind), majority(kind)
        if isinstance(beside, str):
            lines.append(f"{name}: {beside}")
            continue
        pair = beside.pairing
        rows.append(
            [
                name,
                f"{beside.wa:.2f}",
                f"{beside.wa + pair.difference:.2f}",
                signed(pair.difference),
                "-" if isinstance(pair.over, Unknown) else signed_interval(pair.over.interval),
                _where(pair.where_right),
                _where(pair.where_wrong),
            ]
        )
        lines.append(
            f"{name}: of {counted(pair.utterances, 'utterance')}, it alone is right in {pair.only_second:.1f}, the "
            f"model alone in {pair.only_first:.1f}"
        )
        if beside.unseen:
            lines.append(
                f"{name}: {beside.unseen} of {counted(beside.predictions, 'prediction')} are of a {kind} that does not "
                "occur in training, and get the majority class"
            )
        if isinstance(pair.over, Unknown):
            lines.append(f"{name}: no interval, because {pair.over.reason}")
    if not rows:
        return ["\n".join(lines)]
    headings = ["always answering", "its WA", "model's WA", "diff.", "95 %, speakers", "where right", "where wrong"]
    lines.append(
        "its WA: fitted on each run's training part. Where right, where wrong: the model's WA on the utterances that "
        "the answer is right or wrong for (and how many these are, each with the share of its runs): a model that only "
        "repeats the commonest class of the scenario is right on the former and wrong on the latter"
    )
    return [Table(headings, rows), "\n".join(lines)]


def group_scores(experiment: StoredExperiment, everything: Scored, kind: str) -> tuple[ByGroup, int] | Unknown:
    """The scores of the groups of a kind, each utterance once; and of how many utterances tested none is known, which
    are left out: they are no group. Unknown where these are all.
    """
    grouping = experiment.groups[kind]
    means = per_utterance(100 * (everything.predicted == everything.truth), everything.utterances)
    known = grouping.known[means.utterances]
    if not known.any():
        return Unknown(f"of no utterance tested the {kind} is known")
    own = means.utterances[known]
    scores = by_group(means.mean[known], experiment.targets[own], grouping.codes[own], len(experiment.classes))
    return scores, int((~known).sum())


def groups(experiment: StoredExperiment, everything: Scored, kind: str) -> list[Block]:
    """WA and UA of each group of a kind with its utterances of each class, the worst, and the gap."""
    of_groups, names = group_scores(experiment, everything, kind), experiment.groups[kind].names
    if isinstance(of_groups, Unknown):
        return [str(of_groups)]
    scores, unknown = of_groups
    if not any(group.large for group in scores.groups):
        size = f"none of {LEAST} utterances or more"
        return [f"{counted(len(scores.groups), 'group')}, {size}: too small to be compared"]
    order = sorted(scores.groups, key=lambda group: group.wa)
    rows = [
        [
            names[group.group],
            str(group.utterances),
            *(str(count) for count in group.counts),
            f"{group.wa:.2f}",
            f"{group.ua:.2f}" if not group.absent else f"({group.ua:.2f})",
        ]
        for group in (order if len(order) <= SHOWN else order[: SHOWN // 2] + order[-SHOWN // 2 :])
    ]
    lines = [gap_line(scores, name, names, kind) for name in ("wa", "ua")]
    if len(order) > SHOWN:
        lines.insert(
            0, f"shown are the {SHOWN // 2} groups by {kind} of the lowest WA and of the highest, of {len(order)}"
        )
    if unknown:
        lines.append(f"left out, as their {kind} is not known: {counted(unknown, 'utterance')}")
    if any(group.absent for group in order):
        lines.append("(UA): over the classes that the group has, so not to be compared")
    return [Table([kind, "utterances", *experiment.classes, "WA", "UA"], rows), "\n".join(lines)]


def votes(experiment: StoredExperiment, everything: Scored, indexed: Sequence[Utterance]) -> list[Block]:
    """Accuracy by the raters' agreement, and a rater against the others as a ceiling."""
    chosen = _votes_of(experiment, everything, indexed)
    if isinstance(chosen, Unknown):
        return [str(chosen)]
    means = per_utterance(100 * (everything.predicted == everything.truth), everything.utterances)
    rated: NDArray[np.bool_] = np.asarray(chosen[means.utterances].any(axis=(1, 2)))
    own = means.utterances[rated]
    levels = accuracy_by_agreement(means.mean[rated], share_agreeing(chosen[own], experiment.targets[own]))
    rows = [[level.level, str(level.utterances), _number(level.accuracy), between(level.interval)] for level in levels]
    predicted = everything.predicted[means.place[rated]]  # of an utterance that several runs test, the first one's
    most = ceiling(chosen[own], len(experiment.classes), predicted)
    lines = [f"{int(rated.sum())} of {counted(len(rated), 'utterance')} tested have votes in the index"]
    if isinstance(most, Unknown):
        lines.append(f"a rater as ceiling: {most}")
    else:
        lines.append(
            f"a rater against the others: WA {most.rater.wa:.2f}, UA {most.rater.ua:.2f}; the model (its first run "
            f"that tests the utterance) against the same votes: {_agreement(most.model)}. Of "
            f"{counted(most.utterances, 'utterance')}, {most.outside:.1f} % are left out, as the votes are for none of "
            "the classes. A corpus that keeps utterances on which raters agree makes the ceiling too high"
        )
    return [Table(["raters who chose the label", "utterances", "accuracy", "95 % interval"], rows), "\n".join(lines)]


def _agreement(of: Agreement | None) -> str:
    return "-" if of is None else f"WA {of.wa:.2f}, UA {of.ua:.2f}"


def _votes_of(
    experiment: StoredExperiment, everything: Scored, indexed: Sequence[Utterance]
) -> NDArray[np.bool_] | Unknown:
    """Votes (n, raters, labels) of the experiment's utterances: its classes, and one more for all other labels."""
    known = {utterance.id: utterance.votes for utterance in indexed if utterance.votes}
    own = [known.get(utterance, ()) for utterance in experiment.ids]
    if not indexed:
        return Unknown("no index of the corpus lies in the data folder (glam corpus NAME makes it)")
    if not known:
        return Unknown("the index of the corpus has no rater votes")
    if not any(own[i] for i in everything.utterances):
        return Unknown("the index knows no votes on the utterances tested")
    return votes_on(own, list(experiment.recipe.corpus.labels.values()))


def gap_line(scores: ByGroup, name: str, names: Sequence[str], kind: str) -> str:
    """The gap in WA or UA (name: wa, ua) between the worst and the best group of a kind, beside that of chance."""
    gap: Gap | Unknown = getattr(scores, name)
    if isinstance(gap, Unknown):
        return f"gap in {name.upper()}: {gap}"
    return (
        f"gap in {name.upper()}: {gap.points:.2f} points between {names[gap.worst]} and {names[gap.best]}, of "
        f"{counted(gap.compared, 'group')} by {kind} of {LEAST} utterances or more; {gap.by_chance:.2f} are to be "
        "expected by chance"
    )


def _where(where: Where) -> str:
    return f"{_number(where.accuracy)} ({where.utterances:.0f})"


def _number(value: float | Unknown) -> str:
    return "-" if isinstance(value, Unknown) else f"{value:.2f}"
