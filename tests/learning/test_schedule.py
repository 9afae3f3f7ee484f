from typing import Any

import pytest

from glam.learning.schedule import learning_rates
from glam.learning.settings import TrainingSettings


def settings_of(**training: Any) -> TrainingSettings:
    return TrainingSettings.model_validate(training)


def test_glam_ends_at_the_rate_of_the_release() -> None:
    rates = learning_rates(TrainingSettings())
    assert len(rates) == 51
    assert rates[1] == 1e-3 * 0.95
    assert rates[50] == pytest.approx(7.69e-5, rel=1e-3)


def test_step_schedule_passes_the_gate_once_more() -> None:
    rates = learning_rates(settings_of(schedule={"factor": 0.1, "every": 10}))
    assert [rates[e] for e in (0, 9, 10, 20, 30, 40, 49)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-7])


def test_cosine_reaches_zero_and_stays() -> None:
    rates = learning_rates(settings_of(schedule={"name": "cosine", "every": 10}))
    assert rates[5] == pytest.approx(5e-4)
    assert rates[10:] == [0.0] * 41


def test_constant() -> None:
    assert set(learning_rates(settings_of(schedule="constant"))) == {1e-3}


def test_the_gate_is_no_clamp() -> None:
    rates = learning_rates(settings_of(schedule={"least": 5e-4, "factor": 0.3}))
    assert rates[:4] == pytest.approx([1e-3, 3e-4, 3e-4, 3e-4])  # below the least, and left there


def test_a_decay_may_begin_later() -> None:
    """Light-SERNet's: x e^-0.15 at the epochs 60, 80, ..., 280, counted from 0."""
    rates = learning_rates(settings_of(epochs=300, lr=1e-4, schedule={"factor": 0.860707976, "every": 20, "first": 60}))
    changes = [epoch for epoch in range(1, 300) if rates[epoch] != rates[epoch - 1]]
    assert changes == list(range(60, 300, 20))
    assert rates[299] == pytest.approx(1e-4 * 0.860707976**12)


@pytest.mark.parametrize("schedule", ["decay", {"name": "cosine", "every": 7}, "constant", {"every": 2, "first": 3}])
def test_the_rate_of_an_epoch_does_not_depend_on_how_many_follow(schedule: object) -> None:
    settings = settings_of(schedule=schedule)
    few = learning_rates(settings.model_copy(update={"epochs": 4}))
    assert few == learning_rates(settings.model_copy(update={"epochs": 30}))[:5]
