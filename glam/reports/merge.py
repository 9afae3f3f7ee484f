"""Runs of one experiment that were trained in several places, brought into one folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from glam.errors import GlamError
from glam.progress import bar
from glam.reports.verify import compare_runs
from glam.results.experiment import EXPERIMENT, StoredExperiment, experiment_folder, read_experiment, store_experiment
from glam.results.identity import FORMAT
from glam.results.run import read_run
from glam.results.transfer import files_of, receive
from glam.running.events import Elsewhere
from glam.running.one_run import claimed
from glam.running.own_code import take_code
from glam.words import counted


@dataclass
class Merged:
    """What became of the runs of the merged folders.

    into: experiment -> how many runs came to it. same: doubles that are equal bit for bit. troubles: a line for each
    run that is not merged (a double that differs, a damaged one, one that a process is training) and for each file of
    code that was changed.
    """

    into: dict[Path, int] = field(default_factory=dict)
    same: int = 0
    troubles: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The outcome in words."""
        lines = [f"{folder}: {counted(count, 'run')} added" for folder, count in self.into.items()]
        if self.same:
            lines.append(f"{counted(self.same, 'run')} had been there already, the same bit for bit")
        return lines + [f"NOT MERGED: {trouble}" for trouble in self.troubles]


def merge(sources: Sequence[Path], runs: Path) -> Merged:
    """Bring the runs of these folders into the runs folder, each to the experiment of the same identity there.

    sources: experiments, or folders of experiments; they are only read. A run that is there already stays.
    Raises GlamError for a source without an experiment, and where an experiment of that name is another.
    """
    experiments = [experiment for source in sources for experiment in _experiments_in(source, runs)]
    merged = Merged()
    with bar(sum(len(experiment.seeds()) for experiment in experiments), "merging", "run") as progress:
        for experiment in experiments:
            target = experiment_folder(runs, experiment.recipe, experiment.identity)
            if (target / EXPERIMENT).is_file() and read_experiment(target).digest != experiment.digest:
                raise GlamError(f"{target}: is another experiment than {experiment.folder}, of the same name")
            if not (target / EXPERIMENT).is_file():
                store_experiment(replace(experiment, folder=target))
            merged.troubles += take_code(experiment.recipe, experiment.folder, target)
            merged.into.setdefault(target, 0)
            for name in experiment.seeds():
                _merge_run(experiment, name, target, merged)
                progress.update()
    return merged


def _merge_run(experiment: StoredExperiment, name: str, target: Path, merged: Merged) -> None:
    folder = experiment.folder / name
    try:
        ours = read_run(folder)
        with claimed(target, ours.key) as taken:
            if taken is None:
                receive(target, experiment.digest, ours.key, files_of(folder))
                merged.into[target] += 1
            elif isinstance(taken, Elsewhere):
                merged.troubles.append(f"{folder}: a process is training {target / name}")
            else:
                outcome = compare_runs(read_run(target / name), ours)
                merged.same += outcome.same
                if not outcome.same:
                    text = "; ".join(outcome.lines)
                    merged.troubles.append(f"{folder} and {target / name}, which stays, are doubles: {text}")
    except GlamError as error:
        merged.troubles.append(str(error))


def _experiments_in(source: Path, runs: Path) -> list[StoredExperiment]:
    folders = (
        [source] if (source / EXPERIMENT).is_file() else sorted(path.parent for path in source.glob(f"*/{EXPERIMENT}"))
    )
    if not folders:
        raise GlamError(f"{source}: no experiment lies here (a folder with {EXPERIMENT}), nor a folder of some")
    if folders[0].resolve().parent == runs.resolve():
        raise GlamError(f"{source}: lies in {runs}, into which it would be merged; choose another with --runs-folder")
    experiments = [read_experiment(folder) for folder in folders]
    for experiment in experiments:
        if experiment.format != FORMAT:
            raise GlamError(f"{experiment.folder}: is of format {experiment.format}, which is only read, not merged")
    return experiments
