"""The metrics by name, and those of the user's own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.errors import GlamError
from glam.evaluation.metric import METRICS, metric
from glam.evaluation.metrics import scores_of
from glam.evaluation.scored import Scored

OWN = '''"""Metrics of somebody's own."""

import numpy as np


def share_of_sad(scored):
    return 100 * np.mean(scored.predicted == scored.classes.index("sad"))


def wrong(scored):
    truth = scored.truth
    return truth.mean() + scored.absent


def words(scored):
    return "much"


def nothing(scored):
    pass


def unknown(scored):
    return float("nan")
'''


def scored(seed: int = 0, n: int = 30, classes: tuple[str, ...] = ("sad", "neutral", "angry")) -> Scored:
    rng = np.random.default_rng(seed)
    segments = rng.integers(1, 4, n)
    return Scored(
        classes=classes,
        utterances=np.arange(n),
        truth=rng.integers(0, len(classes), n),
        logits=rng.normal(size=(n, len(classes))).astype(np.float32),
        segments=segments,
        segment_classes=rng.integers(0, len(classes), segments.sum()).astype(np.uint8),
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


def test_their_names_and_titles() -> None:
    assert {name: of.title for name, of in METRICS.items()} == {
        "wa": "WA",
        "ua": "UA",
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
        "weighted_f1": "weighted F1",
        "pure_accuracy": "pure accuracy",
    }
    for name, of in METRICS.items():
        assert (of.name, metric(name)) == (name, of)
        assert of.by_segment == (name == "pure_accuracy")
        assert (of.counts is None) == of.by_segment  # counts of utterances say nothing of segments


@given(st.integers(0, 2**32 - 1))
def test_those_of_counts_are_the_scores_of_the_confusion_matrix(seed: int) -> None:
    predictions = scored(seed)
    scores = scores_of(predictions.confusion)
    for name, of in METRICS.items():
        if of.counts is not None:
            assert of.of(predictions) == of.counts(predictions.confusion) == getattr(scores, name)


def test_pure_accuracy_is_of_segments_and_knows_the_neutral_class_by_name() -> None:
    predictions = Scored(
        classes=("angry", "neutral"),
        utterances=np.arange(4),
        truth=np.array([0, 0, 0, 1]),
        logits=np.zeros((4, 2), dtype=np.float32),
        segments=np.array([2, 1, 1, 2]),
        segment_classes=np.array([0, 1, 1, 0, 1, 1], dtype=np.uint8),
    )
    assert METRICS["pure_accuracy"].of(predictions) == 75.0
    nobody_neutral = Scored(**{**vars(predictions), "classes": ("angry", "calm")})
    assert METRICS["pure_accuracy"].of(nobody_neutral) == 50.0


def test_one_of_the_user_s_own(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = scored()
    mine = metric(f"{own}:share_of_sad")
    assert (mine.name, mine.title, mine.counts) == (f"{own}:share_of_sad", "share_of_sad", None)
    assert mine.by_segment  # it may look at segments, and so reports say how they are cut
    value = mine.of(predictions)
    assert type(value) is float
    assert value == pytest.approx(100 * (predictions.predicted == 0).mean())
    monkeypatch.chdir(own.parent)
    assert metric("mine.py:share_of_sad").of(predictions) == value


@pytest.mark.parametrize("place", ["{own}", "mine.py"], ids=["whole path", "path from here"])
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("wrong", r"the metric mine.py:wrong: line 12: AttributeError: 'Scored' object has no attribute 'absent'"),
        ("words", r"the metric mine.py:words: ValueError: could not convert string to float"),
        ("nothing", r"the metric mine.py:nothing: TypeError: .*NoneType"),
        ("unknown", r"the metric mine.py:unknown: gives nan, expected a finite number"),
    ],
)
def test_what_goes_wrong_in_one_is_told_with_its_line(
    own: Path, monkeypatch: pytest.MonkeyPatch, place: str, function: str, message: str
) -> None:
    monkeypatch.chdir(own.parent)
    with pytest.raises(GlamError, match=message):
        metric(f"{place.format(own=own)}:{function}").of(scored())


def test_a_metric_that_there_is_not(own: Path) -> None:
    with pytest.raises(
        GlamError, match=r"no metric 'macro_f2'\. Did you mean 'macro_f1'\? There are wa, ua, .*\.py:name"
    ):
        metric("macro_f2")
    with pytest.raises(GlamError, match=r"mine\.py: has no 'share_of_glad'"):
        metric(f"{own}:share_of_glad")
    with pytest.raises(GlamError, match=r"absent\.py: cannot be read \(No such file"):
        metric(f"{own.with_name('absent.py')}:anything")
    broken = own.with_name("broken.py")
    broken.write_text("def half(scored:\n")
    with pytest.raises(GlamError, match=r"broken\.py: cannot be imported: line 1: SyntaxError"):
        metric(f"{broken}:half")
