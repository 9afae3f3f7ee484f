"""Words of figures about the experiments that they show: names, panels, counts, warnings, captions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glam.errors import GlamError
from glam.named import title_of
from glam.reports.runs import read_runs
from glam.results.experiment import StoredExperiment
from glam.results.identity import FORMAT
from glam.results.run import StoredRun
from glam.splits.population import composition_line
from glam.words import counted

RunsOf = Callable[[StoredExperiment], Sequence[StoredRun]]

# As the papers write them; a model that is not among them goes by its own name.
TITLES = {
    "glam": "GLAM",
    "multi-scale": "Multi-scale",
    "multi-scale-mha": "Multi-scale + MHA",
    "multi-scale-aa": "Multi-scale + AA",
    "apcnn": "APCNN",
    "mhcnn": "MHCNN",
    "aacnn": "AACNN (release)",
    "aacnn-original": "AACNN",
    "deep-cnn": "Deep-CNN",
    "light-sernet": "L-SERNet",
    "drn-mhsa": "DRN-MHSA",
    "glrf": "GLRF",
    "audio-cnn": "Audio-CNN",
    "text-cnn": "Text-CNN",
    "mscnn-spu": "MSCNN-SPU",
    "mscnn-spu-att": "MSCNN-SPU-ATT",
}
SYNTHETIC = "SYNTHETIC CORPUS, made by this project: no real speech"
OF_CORPUS = ("corpus.sha256", "corpus.label_set", "corpus.columns", "corpus.labels")


def names(experiments: Sequence[StoredExperiment]) -> list[str]:
    """Names of experiments that stand side by side: by model, and by their difference where models repeat.

    The difference is the value of the settings that differ (`GLAM (alpha 0.3)`) where these are one or two, else the
    recipe's name alone, else the folder's hash. Of experiments on several corpora, each is named with its own. Raises
    GlamError where one is given twice.
    """
    models = [TITLES.get(experiment.recipe.model.name, experiment.recipe.model.title) for experiment in experiments]
    titles = list(models)
    for model in {model for model in models if models.count(model) > 1}:
        places = [i for i, name in enumerate(models) if name == model]
        differences = _differences([experiments[i] for i in places])
        for i, difference in zip(places, differences, strict=True):
            recipe = difference == experiments[i].name
            titles[i] = difference if recipe else f"{model} ({difference})"
    corpora = [experiment.recipe.corpus.title for experiment in experiments]
    if len(set(corpora)) == 1:
        return titles
    return [title if corpus in title else f"{title}, {corpus}" for title, corpus in zip(titles, corpora, strict=True)]


def unlike(experiments: Sequence[StoredExperiment]) -> list[str]:
    """A line where scores that stand side by side are of different tasks; none where they are of the same."""
    if len({experiment.classes for experiment in experiments}) > 1:
        counts = (
            f"{name}: {len(experiment.classes)}"
            for name, experiment in zip(names(experiments), experiments, strict=True)
        )
        return [f"Different tasks, with classes of their own ({', '.join(counts)}): do not compare the scores."]
    if len({experiment.recipe.corpus.title for experiment in experiments}) > 1:
        return ["Different corpora: do not compare the scores."]
    return []


def _differences(experiments: Sequence[StoredExperiment]) -> list[str]:
    flat = [experiment.recipe.fields() for experiment in experiments]
    fields = [field for field in dict.fromkeys(f for settings in flat for f in settings) if _differ(flat, field)]
    by_value = [", ".join(_setting(field, settings.get(field)) for field in fields[:2]) for settings in flat]
    recipes = [experiment.name for experiment in experiments]
    folders = [experiment.folder.resolve().name.rpartition("-")[2] for experiment in experiments]
    for candidate in (by_value, recipes, folders) if len(fields) <= 2 else (recipes, by_value, folders):
        if len(set(candidate)) == len(candidate):
            return candidate
    raise GlamError(f"an experiment is given twice: {', '.join(str(experiment.folder) for experiment in experiments)}")


def _differ(flat: Sequence[Mapping[str, Any]], field: str) -> bool:
    if field in OF_CORPUS and _differ_in(flat, "corpus.name"):
        return False  # what belongs to a corpus differs with it
    choice = f"{field.rpartition('.')[0]}.name"
    if choice != field and _differ_in(flat, choice) and any(field not in settings for settings in flat):
        return False  # an option of what only some have chosen: the choice says it
    return _differ_in(flat, field)


def _differ_in(flat: Sequence[Mapping[str, Any]], field: str) -> bool:
    return any(settings.get(field) != flat[0].get(field) for settings in flat)


def _setting(field: str, value: Any) -> str:
    if field == "corpus.name":
        return title_of(value)
    if field == "corpus.labels":
        return f"{len(value)}\N{NO-BREAK SPACE}classes"
    if field == "corpus.where":
        return " + ".join(group for groups in value.values() for group in groups) or "full"
    if isinstance(value, list):
        value = " + ".join(str(part) for part in value)
    # A space at which no line is broken keeps the two together.
    name = field.removesuffix(".name").rpartition(".")[2]  # what is chosen by name: split, loss, model
    return f"{name}\N{NO-BREAK SPACE}{value}"


def _finished(experiment: StoredExperiment, read: RunsOf) -> list[StoredRun]:
    runs = read(experiment)
    good = [run for run in runs if run.failed is None]
    if not good:
        why = f"every run of it failed ({runs[0].failed})" if runs else "no run of it is finished"
        raise GlamError(f"{experiment.folder}: nothing to draw, {why}. Train one first: python train.py")
    return good


def whole_seeds(experiment: StoredExperiment, read: RunsOf = read_runs) -> list[StoredRun]:
    """The finished runs; of protocols with folds, those of the seeds that have all of them, as their scores are pooled.

    read: gives the runs of an experiment that count. Raises GlamError where there is none.
    """
    runs = _finished(experiment, read)
    if not experiment.folds:
        return runs
    whole = [run for folds in by_seed(runs).values() if len(folds) == len(experiment.folds) for run in folds]
    if not whole:
        raise GlamError(
            f"{experiment.folder}: nothing to draw, no seed has all its {len(experiment.folds)} folds, which are drawn "
            "together. The command that trained these runs goes on with the others."
        )
    return whole


def by_seed(runs: Sequence[StoredRun]) -> dict[int, list[StoredRun]]:
    """The runs of each seed: one, or its folds."""
    seeds: dict[int, list[StoredRun]] = {}
    for run in runs:
        seeds.setdefault(run.seed, []).append(run)
    return seeds


def same_classes(experiments: Sequence[StoredExperiment]) -> tuple[str, ...]:
    """The classes of all experiments; GlamError where they differ."""
    first = experiments[0]
    for other in experiments[1:]:
        if other.classes != first.classes:
            raise GlamError(
                f"{other.folder} has the classes {', '.join(other.classes)}, {first.folder} has "
                f"{', '.join(first.classes)}: side by side they would mislead. Draw them as figures of their own."
            )
    return first.classes


def panel_titles(experiments: Sequence[StoredExperiment]) -> list[str]:
    """Their names as titles of panels: with a letter each where there are several."""
    titles = names(experiments)
    return titles if len(titles) == 1 else [f"{chr(ord('a') + i)}) {title}" for i, title in enumerate(titles)]


def warnings(experiments: Sequence[StoredExperiment]) -> list[str]:
    """Warnings that no figure may hide, one line each."""
    made_up = [experiment.composition.synthetic for experiment in experiments]
    control = [experiment.recipe.training.shuffle_labels for experiment in experiments]
    early = [experiment.format != FORMAT for experiment in experiments]
    flags_of = {
        SYNTHETIC: made_up,
        "CONTROL: training labels shuffled": control,
        "stored by an earlier version": early,
    }
    return [
        text if all(flags) else f"{', '.join(t for t, f in zip(names(experiments), flags, strict=True) if f)}: {text}"
        for text, flags in flags_of.items()
        if any(flags)
    ]


def caption_of(text: str, panels: Sequence[str], experiments: Sequence[StoredExperiment]) -> str:
    """A caption: what is shown, a sentence a panel, the corpora, and the warnings."""
    shown: dict[str, list[str]] = {}
    for name, experiment in zip(names(experiments), experiments, strict=True):
        shown.setdefault(composition_line(experiment.composition), []).append(name)
    corpora = [f"Corpus of {', '.join(of)}: {line}" if len(shown) > 1 else line for line, of in shown.items()]
    return short_caption(text, [*panels, *corpora, *warnings(experiments)])


def short_caption(text: str, panels: Sequence[str]) -> str:
    """A caption without corpora and warnings, for where these are told already."""
    return text + " ".join(f"{line}." for line in panels)


def number_of_runs(runs: Sequence[StoredRun]) -> str:
    """Number of these runs in words: folds are not runs."""
    seeds = len(by_seed(runs))
    return counted(seeds, "run") if seeds == len(runs) else f"{counted(seeds, 'seed')} with {len(runs)} folds in all"
