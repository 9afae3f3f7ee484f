"""Experiments that pages are made of, and pages as a program sees them."""

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from reports.stored import experiment_of, predicted, recipe_of, store_run

from glam.learning.epoch import Epoch
from glam.reports.page.document import html
from glam.reports.page.experiments import page, sections
from glam.reports.runs import read_results
from glam.reports.views import default_view
from glam.results.experiment import StoredExperiment, read_experiment, store_experiment
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey

CLASSES = ("neutral", "sad", "angry", "happy")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}"
EMPTY = ("br", "img", "meta", "wbr")  # elements that have no end


def experiment(
    folder: Path,
    seeds: Sequence[int] = (1, 2, 3),
    classes: tuple[str, ...] = CLASSES,
    speakers: str = "Ses0",
    utterances: int = 240,
    **settings: Any,
) -> StoredExperiment:
    """An experiment whose runs hold out a quarter of the utterances each, and are right about most of them."""
    truth = np.arange(utterances) % len(classes)
    who = [f"{speakers}{i // len(classes) % 5}" for i in range(utterances)]
    groups = {"speaker": Grouping.of(who), "session": Grouping.of([name[-1] for name in who])}
    recipe = recipe_of(classes, **settings)
    stored = experiment_of(
        folder, recipe, truth, groups=groups, counts={name: {name[:3]: utterances // len(classes)} for name in classes}
    )
    store_experiment(stored)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        order = rng.permutation(utterances)
        held_out, train = order[: utterances // 4], order[utterances // 4 :]
        logits = rng.normal(size=(4, len(held_out), len(classes)))
        logits[:, np.arange(len(held_out)), truth[held_out]] += np.linspace(0.5, 2, 4)[:, None]
        losses = [Epoch(1e-3, float(2 / (i + 1)), 1.0, 1.0) for i in range(4)]
        store_run(stored, RunKey(seed), predicted(logits.astype(np.float32), held_out, train), losses)
    return read_experiment(folder)


def page_of(*experiments: StoredExperiment, live: bool = False, problems: Sequence[str] = ()) -> str:
    """The page of these experiments."""
    reads = [read_results(stored, default_view(stored)) for stored in experiments]
    return html(page([(read, sections(read)) for read in reads], "by a test", [], problems, live=live))


class Seen(HTMLParser):
    """What is in a page: start tags with their attributes, cells of tables, headings, and whatever is text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "whatever is opened is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.text.append(data)
        if self._open and self._open[-1] in ("th", "td"):
            self.tables[-1][-1][-1] += data

    def all_of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
