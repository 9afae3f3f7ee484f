"""Which epoch counts, and on which utterances: by hand, and whatever a run predicted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from evaluation.results import reason
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from reports.stored import experiment_of, predicted, recipe_of

from glam.cli.flags import VIEWS as NAMED
from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.evaluation.metrics import best_epoch, confusion_matrices, confusion_matrix, scores_of
from glam.learning.epoch import Epoch
from glam.reports.views import VIEWS, View, honest_result, optimism, parts, result, scored, value
from glam.results.experiment import StoredExperiment
from glam.results.run import Predictions, StoredRun

CLASSES = ("neutral", "sad", "angry")


@dataclass(frozen=True, eq=False)
class Run(StoredRun):
    """A run that lies in memory."""

    kept: Predictions | None = None

    def predictions(self, targets: NDArray[np.int64] | None = None) -> Predictions:
        assert self.kept is not None
        return self.kept


def stored(truth: ArrayLike, guesses: ArrayLike, segments: ArrayLike | None = None) -> tuple[StoredExperiment, Run]:
    """An experiment of as many utterances, all held out, in the reverse order, and a run with these guesses (E, n)."""
    true, guess = np.asarray(truth), np.asarray(guesses)
    lengths = np.ones(true.size, dtype=np.int64) if segments is None else np.asarray(segments)
    held_out = np.arange(true.size)[::-1]
    confusion = confusion_matrices(true, guess, 3)
    experiment = experiment_of(Path("x"), recipe_of(CLASSES), true[::-1])
    run = Run(
        folder=Path("x/1"),
        seed=1,
        failed=None,
        environment={},
        epochs=(Epoch(1e-3, 1, 1, 1),) * len(guess),
        scores=tuple(map(scores_of, confusion)),
        confusion=confusion,
        kept=predicted(np.eye(3, dtype=np.float32)[guess], held_out, [0], lengths),
    )
    return experiment, run


@st.composite
def runs(draw: st.DrawFn) -> tuple[StoredExperiment, Run]:
    n, epochs = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = rng.integers(0, 3, n)
    guesses = np.where(rng.random((epochs, n)) < 0.6, truth, rng.integers(0, 3, (epochs, n)))
    return stored(truth, guesses, rng.integers(1, 5, n))


def test_the_flag_names_the_views() -> None:
    assert NAMED == VIEWS


def test_halves_by_hand() -> None:
    # first half 0 0 1 1, second 0 1 1 2; epoch 1 has all of the first half and one of the second, epoch 2 three of
    # each: the first half chooses epoch 1, the second epoch 2
    truth = [0, 0, 1, 1, 0, 1, 1, 2]
    guesses = [[0, 0, 1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 0, 1, 1, 1]]
    experiment, run = stored(truth, guesses)
    halves = result(experiment, run, "halves")
    assert halves.epochs == (1, 2)
    assert halves.utterances == 8
    assert halves.confusion.tolist() == [[1, 2, 0], [1, 3, 0], [1, 0, 0]]
    assert halves.scores.wa == 50  # one of four of the second half at epoch 1, three of four of the first at epoch 2
    # the third class is absent from the first half and still costs UA its share
    assert halves.scores.recall == pytest.approx((100 / 3, 75, 0))
    assert halves.scores.ua == pytest.approx((100 / 3 + 75 + 0) / 3)
    assert halves.scores.absent == ()
    assert [result(experiment, run, view).epochs for view in ("test", "validation", "last")] == [(2,), (1,), (2,)]
    assert result(experiment, run, "test").scores.wa == 75
    assert result(experiment, run, "validation").scores.wa == 25
    assert run.kept is not None
    fair = honest_result(experiment, run, "test", run.kept)
    assert fair is not None
    results, honest = [result(experiment, run, "test")], [fair]
    gain = optimism(results, honest, METRICS["wa"])
    assert gain is not None
    assert gain.points == 25
    assert reason(gain.error) == "one gain says nothing about the spread"
    # each utterance is one segment, of its class: pure accuracy is WA
    pure = optimism(results, honest, METRICS["pure_accuracy"])
    assert pure is not None
    assert pure.points == 25
    assert honest_result(experiment, run, "last", run.kept) is None
    assert optimism(results, (), METRICS["wa"]) is None


@given(runs())
def test_halves_score_every_utterance_once_at_an_epoch_it_did_not_choose(drawn: tuple[StoredExperiment, Run]) -> None:
    experiment, run = drawn
    assert run.kept is not None
    n = len(run.kept.held_out)
    rows = {"first": slice(0, n // 2), "second": slice(n // 2, None)}
    truth, guesses = experiment.targets[run.kept.held_out], run.kept.logits.argmax(axis=2)
    scores = {
        half: [scores_of(confusion_matrix(truth[of], guess[of], 3)) for guess in guesses] for half, of in rows.items()
    }
    chosen = {half: best_epoch([s.wa for s in of], [s.ua for s in of]) for half, of in scores.items()}
    halves = result(experiment, run, "halves")
    assert halves.epochs == (chosen["first"] + 1, chosen["second"] + 1)
    # of each half: its scores at the other's epoch, and how many true utterances of each class it has
    both = [
        (scores[half][chosen[other]], np.bincount(truth[rows[half]], minlength=3))
        for half, other in (("first", "second"), ("second", "first"))
    ]
    assert halves.scores.wa == pytest.approx(sum(score.wa * true.sum() for score, true in both) / n)
    for c, recall in enumerate(halves.scores.recall):
        right, true = (sum((s.recall[c] or 0) * of[c] for s, of in both), sum(of[c] for _, of in both))
        assert recall == (pytest.approx(right / true) if true else None)
    assert halves.scores.absent == result(experiment, run, "test").scores.absent
    assert sorted(scored(experiment, run, "halves").utterances) == sorted(run.kept.held_out)
    test, last = (result(experiment, run, view).scores for view in ("test", "last"))
    assert test.wa + test.ua >= last.wa + last.ua


@given(runs(), st.sampled_from(VIEWS))
def test_what_is_scored_is_what_was_predicted(drawn: tuple[StoredExperiment, Run], view: View) -> None:
    experiment, run = drawn
    assert run.kept is not None
    shown, counted = scored(experiment, run, view), result(experiment, run, view)
    read = result(experiment, run, view, run.kept)
    assert (read.epochs, read.scores) == (counted.epochs, counted.scores)
    assert (read.scored().logits == counted.scored().logits).all()
    assert read.train().tolist() == counted.train().tolist() == run.kept.train.tolist()
    matrix = confusion_matrix(shown.truth, shown.logits.argmax(axis=1), 3)
    assert (matrix == counted.confusion).all()
    assert counted.epochs == tuple(part.epoch + 1 for part in parts(experiment, run, run.kept, view))
    assert (counted.scored().confusion == counted.confusion).all()
    for metric in METRICS.values():
        assert value(counted, metric) == metric.of(shown)
    # every segment has the class of its utterance in these runs
    assert (shown.segment_classes == np.repeat(shown.logits.argmax(axis=1), shown.segments)).all()
    assert shown.offsets[-1] == len(shown.segment_classes)
    assert (shown.truth == experiment.targets[shown.utterances]).all()


def test_chance_alone_gives_optimism_and_halves_take_it_away() -> None:
    """Fifty epochs of pure guessing at two equal classes: honest scores are 50 % in the mean, chosen ones are not."""
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 2
    guessed = [stored(truth, rng.integers(0, 2, (50, 40))) for _ in range(200)]
    wa = {view: np.mean([result(*drawn, view).scores.wa for drawn in guessed]) for view in VIEWS}
    error = 50 / np.sqrt(40 * 200)  # of the mean over 200 runs of 40 guesses
    assert abs(wa["halves"] - 50) < 4 * error
    assert abs(wa["last"] - 50) < 4 * error
    assert wa["test"] > 60


def test_one_held_out_utterance_has_no_halves() -> None:
    experiment, run = stored([0], [[0], [1]])
    views: tuple[View, ...] = ("halves", "validation")
    for view in views:
        with pytest.raises(GlamError, match="holds out 1 utterance, too few"):
            result(experiment, run, view)
    assert result(experiment, run, "test").scores.wa == 100
    assert run.kept is not None
    assert honest_result(experiment, run, "test", run.kept) is None
