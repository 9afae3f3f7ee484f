import random as randomness

import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import optimize, special

from glam.evaluation.calibration import calibration, fit_temperature
from glam.evaluation.metrics import softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Floats, Ints]:
    """Probabilities (n, C) and true classes (n,), whatever they are."""
    n, classes = draw(st.integers(1, 60)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return softmax(rng.normal(0, draw(st.floats(0, 5)), (n, classes))), rng.integers(0, classes, n)


def test_calibration_by_hand() -> None:
    # Bins of width 0.2. Confidences 0.9 (right), 0.9 (wrong) in (0.8, 1]; 0.6 (right) in (0.4, 0.6].
    # |1/2 - 0.9| * 2/3 + |1 - 0.6| * 1/3 = 0.4
    result = calibration([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]], [0, 0, 0], bins=5)
    assert result.error == pytest.approx(40.0)
    assert result.brier == pytest.approx((0.02 + 1.62 + 0.32) / 3)
    assert result.confidence == pytest.approx(80)
    assert result.accuracy == pytest.approx(200 / 3)
    assert result.gap == pytest.approx(200 / 3 - 80)
    assert result.gap_std == pytest.approx(100 * np.sqrt(0.09 + 0.09 + 0.24) / 3)
    assert_array_equal(result.bins.count, [0, 0, 1, 0, 2])
    assert_allclose(result.bins.edges, [0, 20, 40, 60, 80, 100])
    assert_allclose(result.bins.confidence, [np.nan, np.nan, 60, np.nan, 90])
    assert_allclose(result.bins.accuracy, [np.nan, np.nan, 100, np.nan, 50])


def test_certain_predictions() -> None:
    right, wrong = calibration(np.eye(3), [0, 1, 2]), calibration(np.eye(3), [1, 2, 0])
    assert (right.error, right.brier, right.by_chance) == (0, 0, 0)
    assert (wrong.error, wrong.brier, wrong.by_chance) == (100, 2, 0)


@pytest.mark.parametrize("bins", [1, 15, 100])
def test_a_perfectly_calibrated_predictor_has_no_error(bins: int) -> None:
    """Of 20 predictions with confidence k/20 exactly k are right, for each k."""
    confidences = np.repeat(np.arange(11, 20) / 20, 20)
    truth = np.concatenate([[0] * k + [1] * (20 - k) for k in range(11, 20)])
    result = calibration(np.column_stack([confidences, 1 - confidences]), truth, bins)
    assert result.error == pytest.approx(0, abs=1e-9)
    assert result.confidence == pytest.approx(result.accuracy)
    assert result.by_chance > 0


def test_the_error_by_chance_is_that_of_perfectly_calibrated_predictors() -> None:
    """It is what drawing the results from the confidences gives, and shrinks with their number."""
    rng = np.random.default_rng(1)
    chances = softmax(rng.normal(0, 1.5, (400, 4)))
    drawn = [(chances.cumsum(1) > rng.random((400, 1))).argmax(1) for _ in range(300)]
    errors = [calibration(chances, truth).error for truth in drawn]
    expected = calibration(chances, drawn[0]).by_chance
    assert np.mean(errors) == pytest.approx(expected, abs=5 * np.std(errors) / np.sqrt(200))
    assert calibration(np.repeat(chances, 9, axis=0), np.repeat(drawn[0], 9)).by_chance < 0.5 * expected


@given(predictions(), st.integers(1, 20))
def test_calibration_against_its_definition(drawn: tuple[Floats, Ints], bins: int) -> None:
    chances, truth = drawn
    result = calibration(chances.astype(np.float32), truth, bins)
    chances = chances.astype(np.float32).astype(np.float64)
    error = 0.0
    for b in range(bins):
        top = chances.max(1)
        inside = (top > result.bins.edges[b] / 100) & (top <= result.bins.edges[b + 1] / 100)
        if b == bins - 1:
            inside |= top > 1  # float32 rounding
        if inside.any():
            right = chances.argmax(1)[inside] == truth[inside]
            assert result.bins.accuracy[b] == pytest.approx(100 * right.mean())
            assert result.bins.confidence[b] == pytest.approx(100 * top[inside].mean())
            error += abs(right.sum() - top[inside].sum()) / truth.size
        assert inside.sum() == result.bins.count[b]
    assert result.error == pytest.approx(100 * error, abs=1e-9)
    assert result.brier == pytest.approx(
        np.mean([sum((p - (c == t)) ** 2 for c, p in enumerate(row)) for row, t in zip(chances, truth, strict=True)])
    )


@given(predictions(), st.integers(1, 20), st.randoms())
def test_bounds_order_and_names_of_classes(drawn: tuple[Floats, Ints], bins: int, random: randomness.Random) -> None:
    chances, truth = drawn
    result = calibration(chances, truth, bins)
    assert 0 <= result.error <= 100 + 1e-9
    assert 0 <= result.by_chance <= 100 + 1e-9
    assert 0 <= result.brier <= 2 + 1e-9
    # the error of many bins is at least that of one, which is the difference of the means
    assert result.error >= abs(result.confidence - result.accuracy) - 1e-9
    order = list(range(truth.size))
    random.shuffle(order)
    names = list(range(chances.shape[1]))
    random.shuffle(names)
    # of equal probabilities the first counts, so that only distinct ones can change their places
    again = calibration(chances[order][:, names], np.argsort(names)[truth[order]], bins)
    if all(len(set(row)) == len(row) for row in chances):
        assert again.error == pytest.approx(result.error, abs=1e-9)
        assert again.brier == pytest.approx(result.brier)
        assert_array_equal(again.bins.count, result.bins.count)


@pytest.mark.parametrize(
    ("probabilities", "truth", "bins", "message"),
    [
        ([[2.0, -1.0]], [0], 15, "are these logits"),
        ([[0.5, np.nan]], [0], 15, "are these logits"),
        ([[0.5, 0.2]], [0], 15, "are these logits"),
        (np.empty((0, 2)), [], 15, "n of 1 or more"),
        ([[0.5, 0.5]], [0, 1], 15, "truth has 2"),
        ([[0.5, 0.5]], [2], 15, "truth holds class"),
        ([[0.5, 0.5]], [0], 0, "0 bins"),
    ],
)
def test_calibration_refuses(probabilities: Floats, truth: list[int], bins: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibration(probabilities, truth, bins)


# --- the gap, and many runs together


def test_a_gap_that_few_predictions_show_and_their_bins_do_not() -> None:
    """Accuracy 92 beside confidence 78, of 125 predictions: 3.8 standard deviations from chance, and of 25 1.7."""
    confidences = np.linspace(0.70, 0.856, 125)
    truth = np.where(np.arange(125) % 25 < 2, 1, 0)
    result = calibration(np.column_stack([confidences, 1 - confidences]), truth)
    assert [result.accuracy, result.confidence] == pytest.approx([92.0, 77.8])
    assert result.gap == pytest.approx(14.2)
    assert known(result.deviations) == pytest.approx(3.8, abs=0.1)
    few = calibration(np.column_stack([confidences, 1 - confidences])[::5], truth[:25])
    assert known(few.deviations) == pytest.approx(1.7, abs=0.1)


def test_the_deviation_of_a_calibrated_model_is_about_one() -> None:
    rng = np.random.default_rng(18)
    chances = softmax(rng.normal(0, 1.5, (200, 4)))
    drawn = [(chances.cumsum(1) > rng.random((200, 1))).argmax(1) for _ in range(400)]
    deviations = [known(calibration(chances, truth, 1).deviations) for truth in drawn]
    assert np.mean(deviations) == pytest.approx(0, abs=0.15)
    assert np.std(deviations) == pytest.approx(1, abs=0.12)


def test_certain_predictions_leave_nothing_to_chance() -> None:
    assert "nothing is left to chance" in reason(calibration(np.eye(3), [0, 1, 2]).deviations)


def test_runs_that_repeat_themselves_are_no_further_evidence() -> None:
    rng = np.random.default_rng(19)
    chances, truth = softmax(rng.normal(0, 1.5, (60, 4))), rng.integers(0, 4, 60)
    once = calibration(chances, truth)
    pooled, twice = np.tile(chances, (5, 1)), np.tile(truth, 5)
    same = calibration(pooled, twice, utterances=np.tile(np.arange(60), 5))
    for name in ("error", "by_chance", "brier", "gap", "gap_std"):
        assert getattr(same, name) == pytest.approx(getattr(once, name))
    apart = calibration(pooled, twice)
    assert apart.gap_std == pytest.approx(once.gap_std / np.sqrt(5))
    assert apart.by_chance < 0.6 * once.by_chance


@given(predictions(), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_deviation_of_several_runs_against_its_definition(
    drawn: tuple[Floats, Ints], distinct: int, seed: int
) -> None:
    """Over all pairs of predictions of one utterance, the covariance of two results that share one draw."""
    chances, truth = drawn
    utterances = np.random.default_rng(seed).integers(0, distinct, truth.size)
    confidence = chances.max(1)
    same = utterances[:, None] == utterances
    covariance = np.minimum.outer(confidence, confidence) - np.outer(confidence, confidence)
    expected = 100 * np.sqrt(max((same * covariance).sum(), 0)) / truth.size
    assert calibration(chances, truth, utterances=utterances).gap_std == pytest.approx(expected, abs=1e-6)


# --- temperature


def likelihood(temperature: float, logits: Floats, truth: Ints) -> float:
    return -float(special.log_softmax(logits / temperature, axis=1)[np.arange(truth.size), truth].mean())


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_comes_out(true: float) -> None:
    rng = np.random.default_rng(20)
    logits = rng.normal(0, 3, (4000, 4))
    truth = (softmax(logits / true).cumsum(1) > rng.random((4000, 1))).argmax(1)
    fitted = known(fit_temperature(logits, truth))
    assert fitted.value == pytest.approx(true, rel=0.08)
    assert likelihood(fitted.value, logits, truth) <= likelihood(1, logits, truth)
    assert known(calibration(fitted.probabilities(logits), truth).deviations) == pytest.approx(0, abs=2)
    assert_array_equal(fitted.probabilities(logits).argmax(1), logits.argmax(1))


@given(predictions(), st.floats(0.1, 50))
def test_no_other_temperature_is_likelier(drawn: tuple[Floats, Ints], scale: float) -> None:
    chances, truth = drawn
    logits = scale * np.log(chances + 1e-6)
    own = logits[np.arange(truth.size), truth]
    higher = (own - logits.mean(1)).mean()
    assume(abs(higher) > 1e-9 * scale or higher == 0)  # what is between is rounding
    fitted = fit_temperature(logits, truth)
    if (own == logits.max(1)).all():
        assert "are right" in reason(fitted)
    elif higher <= 0:
        assert "no higher logit" in reason(fitted)
    else:
        best = optimize.minimize_scalar(
            lambda log: likelihood(float(np.exp(log)), logits, truth), bounds=(-12, 12), method="bounded"
        )
        assert likelihood(known(fitted).value, logits, truth) <= best.fun + 1e-6


def test_logits_that_no_float_holds_the_exponential_of() -> None:
    logits = np.array([[2e4, 0.0], [-3e4, 1e4], [1e4, 0.0]])
    fitted = known(fit_temperature(logits, [0, 1, 1]))
    assert fitted.value > 1e3
    assert np.isfinite(fitted.probabilities(logits)).all()


@pytest.mark.parametrize(
    ("logits", "truth", "message"),
    [
        (np.empty((0, 2)), [], "n of 1 or more"),
        ([[0.0, np.inf]], [0], "logits are finite"),
        ([[0.0, 1.0]], [0, 1], "truth has 2"),
        ([[0.0, 1.0]], [2], "truth holds class"),
    ],
)
def test_a_temperature_refuses(logits: Floats, truth: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, truth)
