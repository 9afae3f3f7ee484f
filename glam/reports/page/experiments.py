"""The page of experiments: all that report, analyses and checklist say of each, its figures and its runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.evaluation.metric import Metric
from glam.recipe import Recipe
from glam.reports.analyses import lines_about, sections_of
from glam.reports.checklist import answers, command_of
from glam.reports.confidence import sure_of
from glam.reports.figures.confusion import confusion
from glam.reports.figures.curves import curves
from glam.reports.figures.experiments import names
from glam.reports.figures.page import Picture
from glam.reports.figures.reliability import reliability
from glam.reports.grid import Table, score_cells
from glam.reports.page.document import Commands, Figures, Page, Section
from glam.reports.runs import Read
from glam.reports.sharing import overlap_table, reference_table
from glam.reports.summary import COLUMNS, as_it_is, blocks, changed_settings, shown
from glam.reports.views import value
from glam.results.experiment import StoredExperiment


def page(
    shown: Sequence[tuple[Read, Sequence[Section]]],
    about: str,
    more: Sequence[Metric] = (),
    problems: Sequence[str] = (),
    *,
    live: bool = False,
) -> Page:
    """The page of one experiment, or of several side by side and one after the other.

    shown: each with its sections. about: a line on where the page is from. more: metrics beside the usual ones.
    problems: what could not be read, and why. live: as for a page. Raises GlamError where one is given twice.
    """
    reads = [read for read, _ in shown]
    titles = names([read.experiment for read in reads])
    parts = [Section("Not shown", [f"NOT SHOWN: {problem}" for problem in problems])] if problems else []
    if len(shown) == 1:
        return Page(f"{titles[0]}: report", about, [*parts, *shown[0][1]], live)
    metrics = (*COLUMNS, *more)
    rows = [
        [title, read.view, str(len(read.results)), *_scores(read, metrics)]
        for title, read in zip(titles, reads, strict=True)
    ]
    scores = Table(["experiment", "epoch", "runs", *(metric.title for metric in metrics)], rows)
    recipes = {title: read.experiment.recipe for title, read in zip(titles, reads, strict=True)}
    parts.append(Section("Side by side", [scores], [Section("Settings that differ", [settings(recipes)])]))
    parts += [Section(title, [], of_one) for title, (_, of_one) in zip(titles, shown, strict=True)]
    return Page(f"{len(shown)} experiments", about, parts, live)


def _scores(read: Read, metrics: Sequence[Metric]) -> list[str]:
    return score_cells(read.scored, metrics) if read.scored else ["-"] * len(metrics)


def sections(read: Read, more: Sequence[Metric] = (), indexed: Sequence[Utterance] = ()) -> list[Section]:
    """All that is said of an experiment; of one without a finished run, what its report says."""
    experiment = read.experiment
    parts = [Section("Scores", blocks(read, more))]
    if read.results:
        parts += [
            Section("Figures", _figures(read)),
            Section("By group", ["\n".join(lines_about(read))], _analyses(read, indexed)),
            *_audit(read),
            Section("Checklist", [], _checklist(read)),
            Section("Runs", [runs(read, (*COLUMNS, *more))]),
        ]
    parts.append(Section("Settings", _settings(experiment)))
    if read.results:
        commands = [command_of(experiment), f"glam report {experiment.folder.absolute().name} --select {read.view}"]
        parts.append(Section("Commands that repeat it", [Commands(commands)]))
    return parts


def runs(read: Read, metrics: Sequence[Metric]) -> Table:
    """A row a finished run: the epoch that counts, and its scores."""
    rows = [
        [
            str(run.key),
            " and ".join(map(str, result.epochs)),
            str(result.utterances),
            *(f"{value(result, metric):.2f}" for metric in metrics),
        ]
        for run, result in zip(read.finished, read.results, strict=True)
    ]
    return Table(["run", "epoch", "test utterances", *(metric.title for metric in metrics)], rows)


def settings(recipes: Mapping[str, Recipe]) -> Table | str:
    """The settings in which these recipes differ, a recipe a column; a line where there are none."""
    flat = {title: recipe.fields() for title, recipe in recipes.items()}
    fields = sorted({field for of_recipe in flat.values() for field in of_recipe if field != "name"})
    differ = [field for field in fields if len({_cell(field, of_recipe.get(field)) for of_recipe in flat.values()}) > 1]
    if not differ:
        return "none"
    rows = [[field, *(_cell(field, of_recipe.get(field)) for of_recipe in flat.values())] for field in differ]
    return Table(["setting", *flat], rows)


def _settings(experiment: StoredExperiment) -> list[Table | str]:
    """What differs from the recipe of that name; where that is not known, what is not at its default."""
    if as_it_is(experiment) is not None:
        changed = changed_settings(experiment)
        return ["\n".join(changed) if changed else f"those of the recipe {experiment.name}"]
    given = experiment.recipe.fields(defaults=False)
    return [
        f"{experiment.name}: a recipe of the user's own; below, what is not at its default",
        Table(["setting", "value"], [[field, _cell(field, setting)] for field, setting in given.items()]),
    ]


def _cell(field: str, setting: Any) -> str:
    return "-" if setting is None else shown(field, setting)


def _figures(read: Read) -> list[Figures | str]:
    """The figures that can be drawn, and why the others cannot."""
    experiments = [read.experiment]
    kinds: list[Callable[[], Picture]] = [
        lambda: confusion(experiments, read.view, lambda _: read.runs),
        lambda: curves(experiments, lambda _: read.runs, column=True),
        lambda: reliability(experiments, read.view, lambda _: read.runs),
    ]
    pictures: list[Picture] = []
    reasons: list[str] = []
    for draw in kinds:
        try:
            pictures.append(draw())
        except GlamError as error:
            reasons.append(str(error))
    return [*([Figures(pictures)] if pictures else []), *dict.fromkeys(reasons)]


def _analyses(read: Read, indexed: Sequence[Utterance]) -> list[Section]:
    return [Section(title, parts) for title, parts in sections_of(read, indexed).items()]


def _audit(read: Read) -> list[Section]:
    if read.sharing is None:
        return []
    shared = Section("What training and test share", [overlap_table(read.sharing.overlaps)])
    nothing = Section("What scores without hearing anything", [reference_table(read.sharing.references)])
    return [Section("Audit of the splits", ["means over the splits of the runs"], [shared, nothing])]


def _checklist(read: Read) -> list[Section]:
    sure = [sure_of(read.experiment, run, run.predictions(), read.view) for run in read.finished]
    return [
        Section(title, ["\n".join(f"{question}: {answer}" for question, answer in rows)])
        for title, rows in answers(read, sure).items()
    ]
