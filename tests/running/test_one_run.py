"""One run from its split to its folder: interrupted at any step, it comes out the same."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from running.small import after, stored
from safetensors.torch import load
from torch import Tensor

from glam.errors import GlamError
from glam.files import only_one
from glam.learning.course import alone
from glam.learning.learner import Learner
from glam.learning.side_by_side import together
from glam.results.run import MODEL, read_run
from glam.running import one_run, workers
from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FinishedElsewhere,
    Note,
    Started,
    Stopped,
)
from glam.running.experiment import Experiment, job
from glam.running.job import Job, Resources, SaveModel, open_columns, run_data
from glam.running.one_run import run_one
from glam.running.saved import load_model
from glam.running.workers import run_alone
from glam.splits.runs import RunKey, seeds

CPU = torch.device("cpu")
SMALL = [
    ("cut.test_overlap", 0.3),
    ("training.epochs", 3),
    ("training.batches.size", 32),
    ("inputs.audio.coefficients", 8),
]
RUN = RunKey(7)
UTTERANCES = [("training.batches", {"name": "utterances", "size": 12}), ("training.alpha", 0)]
TIED = """
from torch import nn


class Tied(nn.Module):
    def __init__(self, classes, audio):
        super().__init__()
        n = audio[0] * audio[1]
        self.first, self.second, self.decide = nn.Linear(n, n), nn.Linear(n, n), nn.Linear(n, classes)
        self.second.weight = self.first.weight

    def forward(self, audio):
        return self.decide(self.second(self.first(audio.flatten(1)).relu()))


def tied(classes, audio):
    return Tied(classes, audio)
"""


def prepared(release: Path, folder: Path, *more: tuple[str, object]) -> Experiment:
    return stored(release, folder, *SMALL, *more)


def work_of(experiment: Experiment, save_model: SaveModel = "last") -> Job:
    return job(experiment, Resources("cpu", 1, 1, 0.0), save_model)


def trained(work: Job, run: RunKey = RUN, stop_after: int = 10**9) -> list[Event]:
    """What a run tells that is asked to stop once it has been asked so often whether to."""
    heard: list[Event] = []
    run_alone(work, run, heard.append, after(stop_after))
    return heard


def outcome(experiment: Experiment) -> tuple[list[float], NDArray[np.float32], dict[str, Tensor]]:
    """Losses, logits and weights of the finished run."""
    stored = read_run(experiment.folder / RUN.name)
    return [epoch.loss for epoch in stored.epochs], stored.predictions().logits, load(stored.read(MODEL))


def same(experiment: Experiment, other: Experiment) -> None:
    (losses, logits, weights), (their_losses, their_logits, their_weights) = outcome(experiment), outcome(other)
    assert losses == their_losses
    np.testing.assert_array_equal(logits, their_logits)
    assert weights.keys() == their_weights.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, their_weights[name]), name


KINDS: dict[str, list[tuple[str, object]]] = {
    "plain": [],
    "sgd": [("training.optimizer", "sgd"), ("training.clip_norm", 0.5)],
    "mixup": [("training.alpha", 0.5)],
    "dropout": [("model", {"name": "aacnn-original", "dropout_at_test": True}), ("training.batches.size", 64)],
    "normalised": [("inputs.audio.normalisation", "speaker")],
    "copies": [("inputs.audio.vtlp_copies", 1)],
    "utterances": [*UTTERANCES, ("training.batches.most", 16)],
    "bf16": [("training.precision", "bf16")],
}


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_at_any_step_it_comes_out_the_same(kind: str, tiny_release: Path, tmp_path: Path) -> None:
    undisturbed = prepared(tiny_release, tmp_path / "a", *KINDS[kind])
    whole = trained(work_of(undisturbed))
    started = whole[0]
    assert isinstance(started, Started)
    steps = started.progress.total
    disturbed = prepared(tiny_release, tmp_path / "b", *KINDS[kind])
    taken = 0
    for stop_after in (1, 2, max(3, steps // 2)):  # within an epoch, and beyond the end of the first
        heard = trained(work_of(disturbed), stop_after=stop_after)
        begun, ended = heard[0], heard[-1]
        assert isinstance(begun, Started)
        assert begun.progress.steps == taken
        if isinstance(ended, Finished):
            break
        assert ended == Stopped(RUN)
        assert not disturbed.finished(RUN)
        taken += stop_after + 1
    else:
        heard = trained(work_of(disturbed))
    assert isinstance(heard[-1], Finished)
    same(disturbed, undisturbed)
    assert read_run(disturbed.folder / RUN.name).environment["resumed"] >= 1
    assert not list((disturbed.folder / ".checkpoints").iterdir())


def test_closed_before_its_end_it_is_checkpointed(tiny_release: Path, tmp_path: Path) -> None:
    undisturbed, closed = prepared(tiny_release, tmp_path / "a"), prepared(tiny_release, tmp_path / "b")
    trained(work_of(undisturbed))
    heard: list[Event] = []
    endless = job(closed, Resources("cpu", 1, 1, 1e9), "last")
    steps = run_one(endless, RUN, heard.append, lambda: False)
    learner, step = next(steps)
    for _ in range(2):
        learner, step = steps.send(learner.step(step))
    assert not (closed.folder / ".checkpoints").exists()
    steps.close()
    assert (closed.folder / ".checkpoints" / "7.safetensors").is_file()
    assert not any(isinstance(event, Stopped) for event in heard), "it goes on in another pack"
    (begun, *_) = trained(work_of(closed))
    assert isinstance(begun, Started)
    assert begun.progress.steps == 2
    same(closed, undisturbed)


def test_tied_weights_are_kept_and_tied_again(tiny_release: Path, tmp_path: Path) -> None:
    """The tensors of a model may share their memory."""
    (tmp_path / "mine.py").write_text(TIED)
    own = ("model", f"{tmp_path / 'mine.py'}:tied")
    undisturbed, disturbed = prepared(tiny_release, tmp_path / "a", own), prepared(tiny_release, tmp_path / "b", own)
    trained(work_of(undisturbed))
    assert trained(work_of(disturbed), stop_after=2)[-1] == Stopped(RUN)
    trained(work_of(disturbed))
    same(disturbed, undisturbed)
    network = load_model(disturbed.folder / RUN.name / MODEL).objective.network
    parameters = dict(network.named_parameters(remove_duplicate=False))
    assert parameters["first.weight"] is parameters["second.weight"]


def test_another_process_that_has_it_keeps_it(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    with only_one(experiment.folder / ".locks" / "7.lock") as mine:
        assert mine
        assert trained(work_of(experiment)) == [Elsewhere(RUN)]
    assert not experiment.finished(RUN)


def test_what_is_finished_meanwhile_is_left_as_it_is(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    trained(work_of(experiment))
    before = (experiment.folder / "7" / "run.json").stat().st_mtime_ns
    assert trained(work_of(experiment)) == [FinishedElsewhere(RUN)]
    assert (experiment.folder / "7" / "run.json").stat().st_mtime_ns == before


def test_a_folder_of_something_else_is_not_written_over(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    (experiment.folder / "7").mkdir()
    with pytest.raises(GlamError, match=r"7: is there, but holds no finished run \(run\.json is missing\)"):
        trained(work_of(experiment))


def test_the_checkpoint_of_another_run_is_set_aside(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    trained(work_of(experiment), stop_after=2)
    checkpoints = experiment.folder / ".checkpoints"
    shutil.copy(checkpoints / "7.safetensors", checkpoints / "8.safetensors")
    whole = (checkpoints / "8.safetensors").read_bytes()
    trained(work_of(experiment), RunKey(8))
    assert read_run(experiment.folder / "8").environment["resumed"] == 0, "it started anew"
    assert (checkpoints / ".set-aside" / "8.safetensors-1").read_bytes() == whole, "nothing is deleted"
    assert (checkpoints / "7.safetensors").is_file()


def test_a_damaged_checkpoint_is_set_aside_and_said(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    trained(work_of(experiment), stop_after=2)
    checkpoint = experiment.folder / ".checkpoints" / "7.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-7])
    events = trained(work_of(experiment))
    assert any(isinstance(event, Note) and "is set aside as" in event.text for event in events)
    assert read_run(experiment.folder / "7").environment["resumed"] == 0


def test_what_a_killed_process_left_half_written_goes(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    checkpoints = experiment.folder / ".checkpoints"
    checkpoints.mkdir()
    for name in (".7.safetensors.tmp-1-ab", ".77.safetensors.tmp-1-ab"):
        (checkpoints / name).write_text("half")
    trained(work_of(experiment))
    assert [path.name for path in checkpoints.iterdir()] == [".77.safetensors.tmp-1-ab"], "which is another run's"


@pytest.mark.parametrize(
    ("run", "save_model", "kept"),
    [
        (RunKey(seeds()[0]), "none", "best"),
        (RunKey(seeds()[0]), "last", "last"),
        (RunKey(seeds()[1]), "none", None),
        (RunKey(seeds()[1]), "best", "best"),
    ],
)
def test_the_first_run_keeps_its_model_unasked(
    tiny_release: Path, tmp_path: Path, run: RunKey, save_model: SaveModel, kept: str | None
) -> None:
    experiment = prepared(tiny_release, tmp_path, ("training.lr", 1e-2))
    finished = trained(work_of(experiment, save_model), run)[-1]
    assert isinstance(finished, Finished)
    path = experiment.folder / run.name / MODEL
    assert path.is_file() == (kept is not None)
    if kept:
        assert load_model(path).epoch == (finished.epoch if kept == "best" else 3)


@pytest.mark.parametrize("fold", [1, 2])
def test_of_folds_the_first_alone_keeps_its_model(tiny_release: Path, tmp_path: Path, fold: int) -> None:
    experiment = prepared(tiny_release, tmp_path, ("split.name", "k-fold"), ("training.epochs", 1))
    run = RunKey(seeds()[0], fold)
    trained(work_of(experiment, "none"), run)
    assert (experiment.folder / run.name / MODEL).is_file() == (fold == 1)


def test_the_epoch_is_chosen_on_the_validation_set_where_there_is_one(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(
        tiny_release, tmp_path, ("split.name", "leave-speaker-out"), ("training.epochs", 6), ("training.lr", 1e-2)
    )
    run = RunKey(7, 1)
    heard = trained(work_of(experiment, "best"), run)
    finished = heard[-1]
    assert isinstance(finished, Finished)
    stored = read_run(experiment.folder / run.name)
    predictions = stored.predictions()
    first = stored.validation_only
    assert first > 0
    truth = experiment.stored.targets[predictions.held_out]
    right = predictions.logits.argmax(axis=2) == truth
    wa = right[:, :first].mean(axis=1)
    recalls = [right[:, :first][:, truth[:first] == label].mean(axis=1) for label in set(truth[:first].tolist())]
    best = int(np.argmax(wa + np.mean(recalls, axis=0)))
    assert (finished.epoch, finished.chosen_on) == (best + 1, "validation")
    assert finished.wa == pytest.approx(100 * right[best, first:].mean())
    assert load_model(experiment.folder / run.name / MODEL).epoch == best + 1
    ended = [event for event in heard if isinstance(event, EpochEnded)]
    assert [event.wa for event in ended] == pytest.approx((100 * right[:, first:].mean(axis=1)).tolist())


def test_what_is_stored_says_for_which_experiment(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    trained(work_of(experiment))
    run = read_run(experiment.folder / RUN.name)
    assert run.experiment == experiment.stored.digest
    about = run.environment
    assert (about["device"], about["precision"], about["threads"], about["runs_at_once"]) == ("cpu", "fp32", 1, 1)
    assert about["resumed"] == 0
    assert about["seconds"] > 0


def test_logits_that_are_not_finite_fail_a_run(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = prepared(tiny_release, tmp_path)
    logits = Learner.logits

    def spoiled(self: Learner, *about: object) -> NDArray[np.float32]:
        return np.full_like(logits(self, *about), np.nan)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "logits", spoiled)
    failed = trained(work_of(experiment))[-1]
    assert failed == Failed(RUN, "the logits after epoch 1 are not all finite numbers")
    run = read_run(experiment.folder / RUN.name)
    assert (run.failed, run.experiment) == (failed.reason, experiment.stored.digest)
    assert not list((experiment.folder / ".checkpoints").iterdir())


def test_in_a_pack_checkpoints_take_little_of_the_time(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every run of a pack waits while one is written: with ten runs that take 0.1 s each, once in 50 s of each."""
    experiment = prepared(tiny_release, tmp_path)
    resources = Resources("cpu", 1, 10, 0.0, packed=True)
    work = job(experiment, resources)
    columns = open_columns(work)
    pack = workers._new_pack(work, run_data(work, RUN, columns), 2)
    runs: list[one_run._Run] = []
    make = one_run._Run.__init__

    def made(self: one_run._Run, *about: object) -> None:
        make(self, *about)  # type: ignore[arg-type]
        self.at_once = 10
        runs.append(self)

    ticks = iter(np.arange(0.0, 1e6, 0.1).tolist())
    monkeypatch.setattr(one_run._Run, "__init__", made)
    monkeypatch.setattr("glam.running.one_run.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    waiting = [RUN, RunKey(8)]
    together(
        pack,
        lambda lane: run_one(work, waiting.pop(), lambda _: None, lambda: False, lane, columns) if waiting else None,
    )
    assert [run.pause for run in runs] == pytest.approx([50.0, 50.0])
    assert one_run.LONGEST_PAUSE > 50


def test_alone_or_not_a_run_leaves_the_generators_as_they_were(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    before = torch.get_rng_state()
    alone(run_one(work_of(experiment), RUN, lambda _: None, lambda: False), CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert experiment.finished(RUN)
