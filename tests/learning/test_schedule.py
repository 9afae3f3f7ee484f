import pytest

from glam.learning.schedule import learning_rates
from glam.learning.settings import TrainingSettings


def test_glam_ends_at_the_rate_of_the_release() -> None:
    rates = learning_rates(TrainingSettings())
    assert len(rates) == 51
    assert rates[1] == 1e-3 * 0.95
    assert rates[50] == pytest.approx(7.69e-5, rel=1e-3)


def test_step_schedule_passes_the_gate_once_more() -> None:
    rates = learning_rates(TrainingSettings(lr_factor=0.1, lr_every=10))
    assert [rates[e] for e in (0, 9, 10, 20, 30, 40, 49)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-7])


def test_cosine_reaches_zero_and_stays() -> None:
    rates = learning_rates(TrainingSettings(schedule="cosine", lr_every=10))
    assert rates[5] == pytest.approx(5e-4)
    assert rates[10:] == [0.0] * 41


def test_constant() -> None:
    assert set(learning_rates(TrainingSettings(schedule="constant"))) == {1e-3}


def test_the_gate_is_no_clamp() -> None:
    rates = learning_rates(TrainingSettings(lr_min=5e-4, lr_factor=0.3))
    assert rates[:4] == pytest.approx([1e-3, 3e-4, 3e-4, 3e-4])  # below lr_min, and left there


@pytest.mark.parametrize("schedule", ["decay", "cosine", "constant"])
def test_the_rate_of_an_epoch_does_not_depend_on_how_many_follow(schedule: str) -> None:
    settings = TrainingSettings(schedule=schedule, lr_every=7 if schedule == "cosine" else 1)
    few = learning_rates(settings.model_copy(update={"epochs": 4}))
    assert few == learning_rates(settings.model_copy(update={"epochs": 30}))[:5]
