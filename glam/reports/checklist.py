"""One page on an experiment that answers what a reviewer of speech emotion recognition asks, from what is stored."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glam.corpora.licences import licence_of
from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.evaluation.unknown import Unknown
from glam.reports.analyses import beside_majority, gap_line, group_scores, kinds_of, majority
from glam.reports.confidence import Confidence, Sure, cells, confidence_of, sure_of
from glam.reports.grid import latex_text, mean_std, signed, signed_interval
from glam.reports.runs import Read, read_results
from glam.reports.sharing import HEARS_NOTHING, protocol_line
from glam.reports.spread import INTERVALS, between, intervals_of
from glam.reports.summary import PURE, SYNTHETIC, as_it_is, computed_on, cut_line
from glam.reports.views import Result, View, default_view, selection, value
from glam.results.experiment import StoredExperiment, read_experiment
from glam.results.run import MODEL, StoredRun
from glam.splits.population import composition_line
from glam.words import counted, duration, range_of

MEANINGS = (
    "Intervals: further splits of this corpus, Student's t over the runs; other utterances of these speakers, "
    "corrected for test sets that overlap (Nadeau and Bengio 2003), of recalls and of a single run from counts "
    "(Clopper and Pearson); other speakers, Student's t over the speakers' own scores"
)
Row = tuple[str, str]  # question, answer
HERE = "\x02"  # where LaTeX may break a word: no answer has it, and nothing escapes it
COLUMNS = r"{@{}>{\raggedright}p{0.22\linewidth}>{\raggedright\arraybackslash}p{0.74\linewidth}@{}}"
RUNNING = ("running_mean", "running_var", "num_batches_tracked")  # in a model, but not trained
DEFINITIONS = (
    "WA: share of utterances classified correctly. UA: mean recall over the classes that are tested. Macro F1: mean F1 "
    "over these classes; micro F1 equals WA; weighted F1: mean weighted by true utterances"
)


def checklist(folder: Path, view: View | None = None, form: str = "md") -> str:
    """The page on an experiment, in Markdown (`md`) or as LaTeX (`tex`); only reads.

    view: if not the default one. Raises GlamError where no run is finished.
    """
    experiment = read_experiment(folder)
    view = view or default_view(experiment)
    sure: list[Sure] = []
    read = read_results(experiment, view, look=lambda run, stored: sure.append(sure_of(experiment, run, stored, view)))
    if not read.results:
        raise GlamError(f"{folder}: nothing to report on, no run of it is finished")
    title = f"{experiment.name}: {experiment.recipe.model.title}"
    return _latex(title, answers(read, sure)) if form == "tex" else _markdown(title, answers(read, sure))


def answers(read: Read, sure: Sequence[Sure]) -> dict[str, list[Row]]:
    """Questions and answers about finished runs, by the title of their section. sure: of each finished run."""
    experiment, results = read.experiment, read.results
    sections = {
        "Data": _data(experiment, results),
        "Split and selection": _split(read),
        "Scores": _scores(read),
        "What needs no hearing": _references(experiment, results),
        "Groups": _groups(read),
        "Calibration": _calibration(confidence_of(sure)),
        "Computation": _computation(experiment, read.finished, read.runs),
    }
    if read.left_out:
        sections["Scores"].append(("left out", "; ".join(read.left_out)))
    return sections


def _data(experiment: StoredExperiment, results: Sequence[Result]) -> list[Row]:
    facts = experiment.composition
    rows = [("corpus", composition_line(facts) + (f". {SYNTHETIC}" if facts.synthetic else ""))]
    rows.append(("version", f"no number; {len(experiment.ids)} utterances of digest {_corpus_digest(experiment)}"))
    speakers = experiment.groups.get("speaker")
    if speakers is not None and any(speakers.names):
        counts = np.bincount(speakers.codes)
        each = ", ".join(f"{name or 'not known'} {count}" for name, count in zip(speakers.names, counts, strict=True))
        rows.append((f"utterances of {counted(len(set(speakers.names) - {''}), 'speaker')}", each))
    tested = range_of([outcome.utterances for outcome in results])
    rows.append((f"tested in a {_unit(experiment)}", f"{tested} utterances"))
    average = experiment.recipe.evaluation.average
    rows.append(("unit of decision", f"the utterance: the mean of the {average} of {cut_line(experiment.recipe)}"))
    corpus = experiment.recipe.corpus.name
    rows.append(("licence of the corpus", licence_of(corpus) or "not known to glam: state it here"))
    return rows


def _corpus_digest(experiment: StoredExperiment) -> str:
    return str(experiment.identity.get("corpus_digest", "not stored"))[:16]


def _split(read: Read) -> list[Row]:
    experiment = read.experiment
    seeds = counted(len({outcome.seed for outcome in read.results}), "seed")
    trained = f"{seeds}, {counted(len(read.results), _unit(experiment))} in all; {len(read.failed)} failed"
    return [
        ("unit of the split, what is shared", protocol_line(experiment, read.sharing)),
        ("who chose the epoch", selection(read.view, experiment)),
        ("seeds and folds" if experiment.folds else "seeds", trained),
    ]


def _unit(experiment: StoredExperiment) -> str:
    return "fold" if experiment.folds else "run"


def _scores(read: Read) -> list[Row]:
    experiment, over = read.experiment, read.scored
    if not over:
        return [("scores", "no seed has all its folds")]
    number = f"{counted(len(over), 'seed')}, folds pooled" if experiment.folds else counted(len(over), "run")
    rows = [
        (metric.title, f"{mean_std([value(outcome, metric) for outcome in over])} over {number}")
        for metric in METRICS.values()
    ]
    for row in intervals_of(experiment, read.results).rows:
        known = [
            f"{name} {between(bounds)}"
            for name, bounds in zip(INTERVALS, row.intervals, strict=True)
            if not isinstance(bounds, Unknown)
        ]
        rows.append((f"95 % intervals, {row.title}", "; ".join(known) or "none: no spread, or a single run"))
    rows.append(("definitions", f"{DEFINITIONS}. {PURE.format(cut=cut_line(experiment.recipe)).capitalize()}"))
    spread = "seeds" if experiment.folds else "runs"
    rows.append(("± and intervals", f"±: standard deviation over {spread}, ddof 1. {MEANINGS}"))
    return rows


def _references(experiment: StoredExperiment, results: Sequence[Result]) -> list[Row]:
    rows = []
    for kind in HEARS_NOTHING:
        beside, name = beside_majority(experiment, results, kind), majority(kind)
        if isinstance(beside, str):
            rows.append((name, beside))
            continue
        pair = beside.pairing
        answer = f"WA {beside.wa:.2f}; the model {signed(pair.difference)} points on the same utterances"
        if not isinstance(pair.over, Unknown):
            answer += f" (95 % over {pair.over.groups} speakers {signed_interval(pair.over.interval)})"
        rows.append((name, answer))
    return rows


def _groups(read: Read) -> list[Row]:
    experiment, everything = read.experiment, read.everything
    rows = []
    for kind in ("gender", "speaker", "session"):
        if kind not in kinds_of(experiment):
            rows.append((f"by {kind}", f"the corpus does not tell the {kind}, or has one alone"))
            continue
        of_groups, names = group_scores(experiment, everything, kind), experiment.groups[kind].names
        if isinstance(of_groups, Unknown):
            rows.append((f"by {kind}", str(of_groups)))
            continue
        scores, unknown = of_groups
        left_out = f"; {counted(unknown, 'utterance')} of unknown {kind} left out" if unknown else ""
        each = ", ".join(f"{names[group.group]} {group.wa:.1f} / {group.ua:.1f}" for group in scores.groups)
        rows.append((f"by {kind} (WA / UA)", f"{each}; {gap_line(scores, 'wa', names, kind)}{left_out}"))
    return rows


def _calibration(confidence: Confidence) -> list[Row]:
    gap, std, deviations, error, chance, brier = cells(confidence.whole)
    rows = [
        (
            "confidence",
            f"accuracy minus confidence {gap} points, {deviations} of its standard deviations ({std}); expected "
            f"calibration error {error}, by chance {chance}; Brier score {brier}",
        )
    ]
    tempered = confidence.tempered
    if isinstance(tempered, Unknown):
        return [*rows, ("temperature", str(tempered))]
    temperature = float(np.median(confidence.temperatures))
    after = f"median {temperature:.2f}; error {tempered.error:.2f} after it"
    return [*rows, ("temperature, fitted on validation", after)]


def _computation(experiment: StoredExperiment, runs: Sequence[StoredRun], everything: Sequence[StoredRun]) -> list[Row]:
    seconds = [float(run.environment["seconds"]) for run in runs if "seconds" in run.environment]
    epochs = sum(len(run.epochs) for run in runs) / len(runs)
    taken = (
        f"{duration(float(np.median(seconds)))} a run (median), {counted(round(epochs), 'epoch')}"
        if seconds
        else "not stored"
    )
    return [
        ("parameters", _parameters(runs)),
        ("time", taken),
        ("device and versions", computed_on(everything)),
        ("command", command_of(experiment)),
        ("experiment", f"{experiment.folder.absolute().name}, identity {experiment.digest}"),
        ("licence of glam", "MIT"),
    ]


def _parameters(runs: Sequence[StoredRun]) -> str:
    for run in runs:
        if not (run.folder / MODEL).is_file():
            continue
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(run.folder / MODEL, "np") as file:
                sizes = [
                    int(np.prod(file.get_slice(name).get_shape()))
                    for name in file.keys()  # noqa: SIM118 (no mapping)
                    if not name.endswith(RUNNING)
                ]
        except (OSError, SafetensorError) as error:
            return f"the model saved with {run.key} cannot be read ({error})"
        return f"{sum(sizes)}, with what is fitted on the training part"
    return "not known: no run kept its model (--save-model best)"


def command_of(experiment: StoredExperiment) -> str:
    """The command that trains such runs: the recipe of that name with what was changed in it."""
    seeds = len({name.partition("-")[0] for name in experiment.seeds()})
    unchanged = as_it_is(experiment)
    if unchanged is None:
        return f"the recipe {experiment.name}, a file of the user's; its settings are in experiment.json"
    stored, named = experiment.recipe.fields(), unchanged.fields()
    set_here = experiment.recipe.fields(defaults=False)
    changed = [
        f"--set {shlex.quote(f'{field}={given if isinstance(given, str) else json.dumps(given)}')}"
        for field, given in stored.items()
        if given != named.get(field)
        and (field in named or field in set_here)
        and (field != "corpus.labels" or named.get(field))
    ]
    own = experiment.own_recipe is not None
    file = f"{experiment.name}.yaml" if own else experiment.name
    command = shlex.join(["python", "train.py", "--recipe", file, "--runs", str(seeds)])
    note = [f"({file} is a file of the user's; its settings are in experiment.json)"] if own else []
    return " ".join([command, *changed, *note])


def _markdown(title: str, sections: dict[str, list[Row]]) -> str:
    blocks = [f"# Checklist: {title}"]
    for name, rows in sections.items():
        blocks.append(f"## {name}\n\n" + "\n".join(f"- **{question}**: {answer}" for question, answer in rows))
    return "\n\n".join(blocks)


def _latex(title: str, sections: dict[str, list[Row]]) -> str:
    """One table that goes on over the page; its columns are as wide as the text together."""
    rows = [[question, _breakable(answer)] for of_section in sections.values() for question, answer in of_section]
    head, *lines = [rf"{' & '.join(map(latex_text, row))} \\" for row in (("", title), *rows)]
    body = "\n".join([r"\toprule", head, r"\midrule", *lines, r"\bottomrule"])
    body = body.replace("--", "-{}-").replace(HERE, r"\allowbreak{}")
    table = f"\\begin{{longtable}}{COLUMNS}\n{body}\n\\end{{longtable}}"
    return f"% the preamble needs \\usepackage{{array,booktabs,longtable}}\n{{\\footnotesize\n{table}\n}}"


def _breakable(text: str) -> str:
    """The text with a place to break every 16 letters of what is longer: the digits of a hash, a name."""
    return re.sub(r"\w{16}(?=\w)", rf"\g<0>{HERE}", text)
