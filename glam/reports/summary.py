"""The report of one experiment: its scores, how sure they are, and what a reader must know to believe them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from glam.corpora.audio import RATE
from glam.evaluation.metric import METRICS, Metric
from glam.evaluation.statistics import summary as summarise
from glam.evaluation.unknown import Unknown
from glam.inputs.cut import Segments
from glam.recipe import Recipe, load_recipe, recipe_names
from glam.reports.fold_tables import about_folds, fold_tables
from glam.reports.folds import outcomes
from glam.reports.grid import Block, Table, markdown, mean_std, signed
from glam.reports.runs import Read, read_results
from glam.reports.sharing import protocol_line
from glam.reports.spread import interval_lines, interval_table, intervals_of
from glam.reports.views import (
    Outcome,
    Result,
    View,
    default_view,
    optimism,
    optimism_line,
    selection,
    value,
)
from glam.results.environment import PARTS
from glam.results.experiment import StoredExperiment, read_experiment
from glam.results.identity import FORMAT
from glam.results.run import StoredRun
from glam.splits.population import composition_line
from glam.words import counted, range_of

COLUMNS = tuple(METRICS.values())
OPTIMISTIC = ("wa", "ua")  # the metrics of which it is said what choosing the epoch on the test set adds
PURE = (
    "pure accuracy: an utterance counts where at least one of its segments is given the right class, and every other "
    "one that class or neutral; {cut}"
)
HASH = 8  # digits of a file's hash that are shown
SYNTHETIC = "SYNTHETIC CORPUS: made by this project. These figures say that the code works, nothing about speech."


def report(
    folder: Path, view: View | None = None, seeds: Sequence[int] | None = None, more: Sequence[Metric] = ()
) -> str:
    """The report on the runs in a folder, as Markdown text; only reads what is stored.

    view: if not the default one. more: metrics beside the usual ones.
    """
    experiment = read_experiment(folder)
    return markdown(blocks(read_results(experiment, view or default_view(experiment), seeds), more))


def blocks(read: Read, more: Sequence[Metric] = ()) -> list[Block]:
    """The parts of a report: what it is about, the tables, and the lines that belong to them."""
    experiment, results, honest = read.experiment, read.results, outcomes(read.experiment, read.honest)
    tables: list[Table] = []
    lines = ["runs: 0"]
    if results:
        parts = fold_tables if experiment.folds else _tables
        tables, notes = parts(experiment, results, honest, (*COLUMNS, *more))
        lines = [_over(experiment, results)]
        lines += about_folds(experiment, results) if experiment.folds else []
        lines += [*notes, *_stopped_early(experiment, read.finished)]
    lines += [f"LEFT OUT: {reason}" for reason in read.left_out]
    if read.failed:
        reasons = "; ".join(f"{run.key}: {run.failed}" for run in read.failed)
        lines += [f"FAILED, not averaged: {counted(len(read.failed), 'run')}; {reasons}"]
    lines += [
        f"protocol: {protocol_line(experiment, read.sharing)}",
        f"epoch: {selection(read.view, experiment)}",
        *([optimism_line(error=not experiment.folds)] if honest else []),
        PURE.format(cut=cut_line(experiment.recipe)),
        f"corpus: {composition_line(experiment.composition)}",
        *experiment.remarks,
    ]
    lines += absences(experiment, results)
    lines += untrained(experiment, results)
    lines += [f"computed: {computed_on(read.runs)}"] if read.runs else []
    lines += [f"results: {experiment.folder}"]
    return [heading(experiment), *tables, "\n".join(lines)]


def cut_line(recipe: Recipe) -> str:
    """The cut for evaluation in words."""
    cut = recipe.cut
    return f"{cut.title}, {cut.hop('test') / RATE:.2g} s apart" if isinstance(cut, Segments) else cut.title


def heading(experiment: StoredExperiment) -> str:
    """The recipe that a report is about, what was changed in it, and warnings: a synthetic corpus, shuffled labels."""
    lines = [f"recipe {experiment.name}: {experiment.recipe.model.title}"]
    if own := own_settings(experiment):
        lines.append(f"settings of {experiment.name}, a file of the user's: {', '.join(own)}")
    if differences := changed_settings(experiment):
        lines.append(f"changed from {experiment.name}: {', '.join(differences)}")
    if experiment.composition.synthetic:
        lines.append(SYNTHETIC)
    if experiment.format != FORMAT:
        lines.append(f"FORMAT {experiment.format}: stored by an earlier version; it is only read, never trained on")
    if experiment.unlike_print:
        lines.append(f"{experiment.unlike_print.upper()}: nothing here compares with printed numbers.")
    if experiment.recipe.training.shuffle_labels:
        lines.append("CONTROL: the training labels were shuffled; scores show chance.")
    return "\n".join(lines)


def changed_settings(experiment: StoredExperiment) -> list[str]:
    """The fields in which a stored recipe differs from the one of its name, as `field value (the recipe's)`.

    Where another thing is chosen (a protocol, a loss), its options have no counterpart: those at their default are left
    out, as are those of what the recipe of that name chooses.
    """
    unchanged = as_it_is(experiment)
    if unchanged is None:
        return []
    stored, named = experiment.recipe.fields(), unchanged.fields()
    given = experiment.recipe.fields(defaults=False)
    other = stored["corpus.name"] != named["corpus.name"]
    lines = []
    for field in {**stored, **named}:
        choice = f"{field.rpartition('.')[0]}.name"
        if stored.get(field) == named.get(field) or (field == "corpus.labels" and (other or not named.get(field))):
            continue  # a recipe without labels has those of its corpus; those of another are in its composition
        if choice == field or stored.get(choice) == named.get(choice) or (field in stored and field in named):
            lines.append(f"{field} {shown(field, stored.get(field))} ({shown(field, named.get(field))})")
        elif field in given:
            lines.append(f"{field} {shown(field, stored[field])}")
    return lines


def shown(field: str, value: object) -> str:
    """A setting as a person reads it: of the hash of a file, as many digits as tell two files apart."""
    return "none" if value is None else str(value)[: HASH if field.endswith("sha256") else None]


def own_settings(experiment: StoredExperiment) -> list[str]:
    """What the file of the user's own says that a recipe is from: the settings that are not at their default.

    Files in two folders may have one name, and a report or a list must tell their experiments apart. The labels of the
    classes are left out: the composition of the corpus has them.
    """
    if experiment.own_recipe is None:
        return []
    default = Recipe().fields()
    return [
        f"{field} {shown(field, given)}"
        for field, given in experiment.own_recipe.fields(defaults=False).items()
        if given != default.get(field) and field != "corpus.labels"
    ]


def as_it_is(experiment: StoredExperiment) -> Recipe | None:
    """The recipe of that name without overrides; None for one of the user's own, stored before that was kept."""
    return load_recipe(experiment.name) if experiment.name in recipe_names() else experiment.own_recipe


def absences(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """A line where a class has no true utterance in some test set: UA and macro F1 leave it out there."""
    counts = dict.fromkeys(experiment.classes, 0)
    for outcome in results:
        for index in outcome.scores.absent:
            counts[experiment.classes[index]] += 1
    missing = _in_runs(experiment, counts, len(results))
    return [f"absent from the test set: {', '.join(missing)}; UA and macro F1 leave it out there"] if missing else []


def untrained(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """A line where a class has no utterance in some training part: no run can learn it there."""
    counts = dict.fromkeys(experiment.classes, 0)
    for outcome in results:
        known = set(experiment.targets[outcome.train()].tolist())
        for index, name in enumerate(experiment.classes):
            counts[name] += index not in known
    missing = _in_runs(experiment, counts, len(results))
    return [f"ABSENT FROM TRAINING: {', '.join(missing)}; nothing was to be learned of it there"] if missing else []


def _in_runs(experiment: StoredExperiment, counts: Mapping[str, int], of: int) -> list[str]:
    """The names with a count, and in how many of so many runs or folds that is."""
    noun = "fold" if experiment.folds else "run"
    return [f"{name} in {count} of {counted(of, noun)}" for name, count in counts.items() if count]


def _tables(
    experiment: StoredExperiment,
    results: Sequence[Result],
    honest: Sequence[Outcome],
    metrics: Sequence[Metric],
) -> tuple[list[Table], list[str]]:
    """The scores with their spread over the runs, and their intervals; and the lines that belong to these."""
    intervals = intervals_of(experiment, results)
    return [_scores(experiment, results, honest, metrics), interval_table(intervals)], interval_lines(intervals)


def _scores(
    experiment: StoredExperiment, results: Sequence[Result], honest: Sequence[Outcome], metrics: Sequence[Metric]
) -> Table:
    """A row a score: over the runs, and what choosing the epoch on the test set adds.

    A class's recall is over the runs in which it occurs.
    """
    values = {metric.title: [value(outcome, metric) for outcome in results] for metric in metrics}
    for index, name in enumerate(experiment.classes):
        recalls = [outcome.scores.recall[index] for outcome in results]
        values[f"recall {name}"] = [recall for recall in recalls if recall is not None]
    several = len(results) > 1
    headings = ["", *(["mean ± std", "median", "lowest"] if several else ["score"])]
    rows = []
    for title, of_runs in values.items():
        if not of_runs:
            rows.append([title, *["-"] * (len(headings) - 1)])
            continue
        summary = summarise(of_runs)
        rows.append([title, mean_std(of_runs)])
        rows[-1] += [f"{summary.median:.2f}", f"{summary.worst:.2f}"] if several else []
    if honest:
        headings.append("optimism")
        gains = {METRICS[name].title: _optimism(results, honest, METRICS[name]) for name in OPTIMISTIC}
        rows = [[*row, gains.get(row[0], "")] for row in rows]
    return Table(headings, rows)


def _optimism(shown: Sequence[Outcome], honest: Sequence[Outcome], metric: Metric) -> str:
    """What choosing the epoch on the test set adds, with its standard error where the runs say one."""
    gain = optimism(shown, honest, metric)
    if gain is None:
        return ""
    return signed(gain.points) + ("" if isinstance(gain.error, Unknown) else f" (se {gain.error:.2f})")


def _over(experiment: StoredExperiment, results: Sequence[Result]) -> str:
    """How many runs, or folds, there are, and of how many test utterances."""
    sizes = sorted({result.utterances for result in results})
    held_out = counted(sizes[0], "test utterance") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} test utterances"
    each = " each" if len(results) > 1 else ""
    spread = "mean ± sample standard deviation" if len(results) > 1 else "no spread"
    if experiment.folds:
        spread = "a run is one fold of a seed"
    return f"runs: {len(results)} ({spread}), {held_out}{each}"


def computed_on(runs: Sequence[StoredRun]) -> str:
    """Device, precision, threads and versions that stored runs say that they were computed with."""

    def kinds(key: str, absent: str = "unknown") -> str:
        values = [run.environment.get(key) for run in runs]
        for run in runs:  # of one that was resumed elsewhere, every part's
            values += run.environment.get(PARTS, {}).get(key, ())
        return ", ".join(sorted({absent if value is None else str(value) for value in values}))

    threads = kinds("threads")
    return (
        f"{kinds('device')}, {kinds('precision')}, {threads} CPU thread{'s' * (threads != '1')} a run, "
        f"torch {kinds('torch')}, glam {kinds('glam')} ({kinds('revision', 'no checkout')})"
    )


def _stopped_early(experiment: StoredExperiment, runs: Sequence[StoredRun]) -> list[str]:
    """A line on how long runs were trained that stop once the scores no longer rise."""
    training = experiment.recipe.training
    if not training.patience or not runs:
        return []
    epochs = [len(run.epochs) for run in runs]
    early = sum(count < training.epochs for count in epochs)
    return [
        f"training: {range_of(epochs)} epochs of at most {training.epochs}; {early} of "
        f"{counted(len(runs), 'run')} stopped after {training.patience} without a better (WA+UA)/2 on the validation "
        "utterances"
    ]
