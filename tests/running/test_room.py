"""The disk that runs and features need, beside what they take."""

from dataclasses import replace
from pathlib import Path

import pytest
from running import small
from running.small import CPU
from running.spoken import prepared, release_with

from glam.errors import GlamError
from glam.results.experiment import store_experiment
from glam.results.run import MODEL
from glam.results.transfer import files_of
from glam.running import room
from glam.running.experiment import Experiment, job
from glam.running.room import check_room, features_needed, runs_needed
from glam.running.table_progress import Piece, ordered
from glam.splits.runs import RunKey, seeds


@pytest.fixture
def experiment(tiny_release: Path, tmp_path: Path) -> Experiment:
    return small.prepared(
        tiny_release, tmp_path, ("cut.train_overlap", 0.4), ("cut.test_overlap", 0.4), ("training.epochs", 5)
    )


def test_the_bytes_told_are_those_written(experiment: Experiment) -> None:
    store_experiment(experiment.stored)
    needed = features_needed([experiment, experiment])
    job(experiment, CPU)
    assert {path: path.stat().st_size for path in needed} == needed, "arrays that are shared count once"
    assert set(features_needed([experiment]).values()) == {0}
    key = RunKey(5)  # not the first seed, whose model is kept
    told = runs_needed(experiment, [key])
    small.train(experiment, key)
    written = sum(map(len, files_of(experiment.folder / "5").values()))
    assert 0.5 * told < written < 1.5 * told + 2000
    assert runs_needed(experiment, [key, RunKey(6)]) == pytest.approx(2 * told, abs=2)
    assert runs_needed(experiment, []) == 0


@pytest.mark.parametrize(
    ("run", "models"), [(RunKey(seeds()[0]), 1), (RunKey(seeds()[0], 1), 1), (RunKey(seeds()[0], 2), 0), (RunKey(5), 0)]
)
def test_the_model_that_the_first_run_keeps_is_counted(experiment: Experiment, run: RunKey, models: int) -> None:
    predictions = runs_needed(replace(experiment, weights=0), [run])
    assert runs_needed(experiment, [run]) == predictions + models * experiment.weights
    assert experiment.weights > 100_000


def test_weights_are_those_of_the_stored_model(experiment: Experiment) -> None:
    store_experiment(experiment.stored)
    small.train(experiment, RunKey(seeds()[0]))
    (model,) = experiment.folder.glob(f"*/{MODEL}")
    assert experiment.weights < model.stat().st_size < experiment.weights + 30_000  # its recipe, its features' means


def test_too_little_room_is_said_before_anything_is_spent(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    check_room([(experiment, [RunKey(5)])], True, said.append)
    assert said[0].startswith("disk ")
    monkeypatch.setattr(room, "free", lambda folder: 10)
    with pytest.raises(GlamError, match=r"are needed there, 0\.00 MiB are free"):
        check_room([(experiment, [RunKey(5)])], True, said.append)


def test_pieces_are_trained_in_the_order_asked_for() -> None:
    pieces = [Piece("a", 10, 5.0), Piece("b", 1, 20.0), Piece("own", 2, 100.0)]
    assert [piece.label for piece in ordered(pieces, "printed", ["own"])] == ["a", "b", "own"]
    assert [piece.label for piece in ordered(pieces, "cheapest", ["own"])] == ["b", "a", "own"]
    assert [piece.label for piece in ordered(pieces, "own", ["own"])] == ["own", "a", "b"]


def test_inputs_that_look_through_the_corpus_are_counted_as_they_are_kept(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(release_with(tiny_release, tmp_path), tmp_path)
    needed = features_needed([experiment])
    job(experiment, CPU)
    assert {path: path.stat().st_size for path in needed} == needed
    assert set(features_needed([experiment]).values()) == {0}
