"""Comparison of a stored run with the same one trained again: equal bit for bit, or how far they differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.evaluation.metrics import scores_of_all
from glam.reports.views import best
from glam.results.environment import PARTS
from glam.results.run import StoredRun
from glam.words import counted

# What is recorded of a run's environment but says nothing about how its numbers were computed.
CIRCUMSTANCES = ("seconds", "resumed", PARTS)


@dataclass(frozen=True)
class Outcome:
    """Differences of two trainings of one run, over the epochs that both have.

    same: equal bit for bit: the split, and learning rate, loss, logits, segment classes and confusion of every epoch;
    of failed runs, the reason. lines: that in words.
    """

    same: bool
    lines: tuple[str, ...]


def compare_runs(stored: StoredRun, again: StoredRun) -> Outcome:
    """Compare a stored run with the same one trained again, over as many epochs as that was trained for.

    Raises GlamError where the predictions of either cannot be read.
    """
    if stored.failed is not None or again.failed is not None:
        same = stored.failed == again.failed
        what = "SAME: both failed alike" if same else "DIFFERENT"
        return Outcome(same, (what, f"stored: {stored.failed or 'finished'}", f"again: {again.failed or 'finished'}"))
    n = min(len(stored.epochs), len(again.epochs))
    before, after = stored.predictions(), again.predictions()
    for name in ("train", "held_out", "segments"):
        if not np.array_equal(getattr(before, name), getattr(after, name)):
            return Outcome(False, (f"DIFFERENT: another split, or other segments ({name} differ)",))
    loss = _figures(stored, "loss", n) - _figures(again, "loss", n)
    rate = _figures(stored, "lr", n) - _figures(again, "lr", n)
    logits = before.logits[:n].astype(np.float64) - after.logits[:n]
    decided = before.logits[:n].argmax(axis=2) != after.logits[:n].argmax(axis=2)
    segments = before.segment_classes[:n] != after.segment_classes[:n]
    confusion = stored.confusion[:n] != again.confusion[:n]
    bits = before.logits[:n].view(np.uint32) ^ after.logits[:n].view(np.uint32)
    differs = np.zeros(n, dtype=bool)
    for parts in (loss, rate, bits, segments, confusion):
        differs |= (parts != 0).reshape(n, -1).any(axis=1)
    if not differs.any():
        what = "loss, learning rate, logits, segment classes and confusion"
        return Outcome(True, (f"SAME, bit for bit: {what} of {counted(n, 'epoch')}",))
    of_epoch = np.abs(logits).max(axis=(1, 2))
    lines = (
        f"DIFFERENT from epoch {differs.argmax() + 1} of {n} on",
        f"largest difference of the loss: {np.abs(loss).max():.3g}, in epoch {np.abs(loss).argmax() + 1}",
        f"largest difference of a logit: {of_epoch.max():.3g}, in epoch {of_epoch.argmax() + 1}",
        f"utterances decided otherwise: {decided.sum()} of {decided.size}; in the last epoch {decided[-1].sum()} of "
        f"{decided.shape[1]}",
        f"segments decided otherwise: {segments.sum()} of {segments.size}; in the last epoch {segments[-1].sum()} of "
        f"{segments.shape[1]}",
        *_scores(stored, again, n),
    )
    return Outcome(False, lines)


def _figures(run: StoredRun, name: str, n: int) -> NDArray[np.float64]:
    """(n,): one figure of each of the first n epochs."""
    return np.array([getattr(epoch, name) for epoch in run.epochs[:n]], dtype=np.float64)


def _scores(stored: StoredRun, again: StoredRun, n: int) -> list[str]:
    """WA and UA of both at the epoch that counts (the best on the test set), and at the last."""
    before, after = (scores_of_all(run.confusion[:n]) for run in (stored, again))
    return [
        f"{name}: {i + 1} stored, {j + 1} again; WA {before.wa[i]:.2f} stored, {after.wa[j] - before.wa[i]:+.2f} "
        f"again; UA {before.ua[i]:.2f} stored, {after.ua[j] - before.ua[i]:+.2f} again"
        for name, i, j in (("best epoch", best(before), best(after)), ("last epoch", n - 1, n - 1))
    ]


def environment_differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Differences of a run's recorded environment from another's, as `torch 2.11.0, now 2.12.0`."""
    names = [name for name in stored if name not in CIRCUMSTANCES and stored[name] != now.get(name)]
    parts = [
        f"{name} {', then '.join(map(str, dict.fromkeys(map(str, values))))} (it was resumed), now {now.get(name)}"
        for name, values in stored.get(PARTS, {}).items()
    ]
    return [*parts, *(f"{name} {stored[name]}, now {now.get(name)}" for name in names)]
