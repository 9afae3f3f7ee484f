"""The metrics by name: what one number says of predictions. Reports and tables iterate over them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import scores_of
from glam.evaluation.pure import pure_correct
from glam.evaluation.scored import Scored
from glam.named import in_file, source

NEUTRAL = "neutral"  # the class that may stand beside another without contradicting it


@dataclass(frozen=True)
class Metric:
    """One number of predictions, in percent unless its title says otherwise; higher is better.

    counts: the metric of a confusion matrix (C, C), for those that need no more. of: of predictions.
    by_segment: whether it is about the segments of an utterance, and so depends on how they are cut.
    """

    name: str
    title: str
    of: Callable[[Scored], float]
    counts: Callable[[NDArray[np.int64]], float] | None = None
    by_segment: bool = False


def _of_counts(name: str, title: str) -> Metric:
    score = attrgetter(name)
    return Metric(
        name, title, lambda scored: score(scores_of(scored.confusion)), lambda counts: score(scores_of(counts))
    )


def pure_accuracy(scored: Scored) -> float:
    """The share of utterances of whose segments some, and no others but neutral ones, have its class (GLRF, 2023)."""
    neutral = scored.classes.index(NEUTRAL) if NEUTRAL in scored.classes else None
    return 100 * float(pure_correct(scored.segment_classes, scored.truth, scored.offsets, neutral).mean())


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _of_counts("wa", "WA"),
        _of_counts("ua", "UA"),
        _of_counts("macro_f1", "macro F1"),
        _of_counts("micro_f1", "micro F1"),
        _of_counts("weighted_f1", "weighted F1"),
        Metric("pure_accuracy", "pure accuracy", pure_accuracy, by_segment=True),
    )
}


def metric(name: str) -> Metric:
    """The metric of that name, or of the user's own: `<file>.py:<function>`, a function (Scored) -> number.

    Raises GlamError where there is none, or where the function raises or gives no number.
    """
    if name in METRICS:
        return METRICS[name]
    own = source(name, dict.fromkeys(METRICS, ""), "metric")
    function = own.load()

    def value(scored: Scored) -> float:
        try:
            number = float(function(scored))
        except Exception as error:
            raise GlamError(f"the metric {own.path.name}:{own.function}: {in_file(error, own.path)}") from None
        if not isfinite(number):
            raise GlamError(f"the metric {own.path.name}:{own.function}: gives {number}, expected a finite number")
        return number

    return Metric(name, own.function, value, by_segment=True)
