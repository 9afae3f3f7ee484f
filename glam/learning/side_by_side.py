"""Runs side by side: who takes the steps of a pack's runs, how many fit, and when a smaller pack is worth making."""

import gc
import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from glam.learning.batch import Step
from glam.learning.course import Steps
from glam.learning.learner import generators_kept
from glam.learning.pack import Lane, Pack

AHEAD = 2  # steps
MEMORY_SHARE = 0.8  # of what is free, for the slots; kernels want workspace besides


def together(pack: Pack, begin: Callable[[Lane], Steps | None]) -> None:
    """Take the steps of many runs, a step of all of them at a time.

    begin: gives the course of the next run, which learns in this lane, or None when there is none left. A run that
    ends makes room for the next. Returns when all have ended, or when half of the slots have been free for so long that
    a smaller pack would have been worth making: the courses that are left are closed then, as they are where an
    exception goes through, and may go on in one.
    """
    size = pack.settings.batches.size
    lanes, left = pack.lanes(), True
    courses: dict[int, Steps] = {}
    steps_due: list[Step | None] = [None] * pack.slots
    pace = _Pace(pack.device)
    with generators_kept(pack.device):
        try:
            while True:
                for slot, lane in enumerate(lanes):
                    while left and slot not in courses:
                        steps = begin(lane)
                        if steps is None:
                            left = False
                        elif (due := _next(steps, None, size)) is not None:
                            courses[slot], steps_due[slot] = steps, due
                if not courses or (not left and 1 < pack.slots >= 2 * len(courses) and pace.long_enough()):
                    return
                losses = pack.step(steps_due).unbind()
                pace.stepped()
                for slot, steps in list(courses.items()):
                    steps_due[slot] = _next(steps, losses[slot], size)
                    if steps_due[slot] is None:
                        del courses[slot]
        finally:
            for steps in courses.values():
                steps.close()


class _Pace:
    """The pace of a pack's steps: never more than AHEAD of them are asked of a GPU before it has done them."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._asked: deque[torch.cuda.Event] = deque()
        self._begun = time.monotonic()
        self._first = 0.0  # seconds until the first step was done: what making a pack takes
        self._half_empty: float | None = None

    def stepped(self) -> None:
        """Note that a step was asked for. Waits for an earlier one: times are true, an interrupt is answered soon."""
        if self._cuda:
            self._asked.append(torch.cuda.Event())
            self._asked[-1].record()
            if len(self._asked) > AHEAD or not self._first:
                self._asked.popleft().synchronize()
        self._first = self._first or time.monotonic() - self._begun

    def long_enough(self) -> bool:
        """True once half of the slots have been free for as long as making another pack takes."""
        now = time.monotonic()
        if self._half_empty is None:
            self._half_empty = now
        return now - self._half_empty >= self._first


def _next(steps: Steps, loss: Tensor | None, size: int) -> Step | None:
    """The run's next step on a full batch; None when it has ended. Smaller ones, as an epoch's last, it takes alone."""
    try:
        learner, step = next(steps) if loss is None else steps.send(loss)
        while len(step.batch.target) < size:
            learner, step = steps.send(learner.step(step))
    except StopIteration:
        return None
    return step


def fitting(pack_of: Callable[[int], Pack], step: Step, most: int) -> int:
    """Number of slots that fit into the memory of a CUDA device, at most `most`.

    pack_of: makes a pack of so many slots. Two small packs are tried: what the second takes more than the first is
    what a slot takes. step: as the runs' own.
    """
    torch.cuda.empty_cache()
    peaks = []
    for slots in (1, 2):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        pack_of(slots).step([step] * slots)
        torch.cuda.synchronize()
        peaks.append(torch.cuda.max_memory_allocated() - before)
        gc.collect()  # a pack refers to itself, and would keep its memory
        torch.cuda.empty_cache()
    each = max(peaks[1] - peaks[0], 1)
    room = MEMORY_SHARE * torch.cuda.mem_get_info()[0] - (peaks[0] - each)
    return max(1, min(most, int(room / each)))
