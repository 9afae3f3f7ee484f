"""The learning rate of every epoch."""

from math import cos, pi

from glam.learning.settings import Constant, Cosine, TrainingSettings


def learning_rates(settings: TrainingSettings) -> list[float]:
    """The learning rate of each epoch, epochs + 1 values: the last is what the run would go on with.

    The rate is multiplied step by step in double precision, as the release's schedulers do, so that the gate
    at `least` opens and closes at the same epochs: GLAM ends at 7.7e-5; 1e-3 x 0.1 every ten epochs reaches
    1e-7 for the last ten of fifty (the rate of 1e-6 still passes the gate).
    """
    rates, schedule = [settings.lr], settings.schedule
    steps = 0
    for _ in range(settings.epochs):
        rate = rates[-1]
        if not isinstance(schedule, Constant) and rate >= schedule.least:
            steps += 1
            if isinstance(schedule, Cosine):
                rate = settings.lr * (1 + cos(pi * steps / schedule.every)) / 2
            elif steps in range(schedule.first or schedule.every, settings.epochs + 1, schedule.every):
                rate *= schedule.factor
        rates.append(rate)
    return rates
