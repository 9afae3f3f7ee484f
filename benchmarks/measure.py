"""From times to rates and ratios: all that is measured of one model, and the whole runs that it makes up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from benchmarks.engines import Workers, fastest_batch, one_run, packed_steps
from benchmarks.plain import made_up, memory_epochs, plain_epochs
from benchmarks.problem import CORES, Problem, Seconds, counts, flop, interleaved, make_problem, sized
from benchmarks.recordings import (
    our_extraction,
    our_whole_runs,
    plain_extraction,
    segments_of,
    some_utterances,
    whole_plain_run,
)
from benchmarks.results import ModelResult, Row, Spread, Whole
from glam.corpora.utterances import Corpus
from glam.learning.settings import Precision
from glam.progress import say
from glam.recipe import Recipe
from glam.running.job import Resources
from glam.splits.protocols import Random

Part = Literal["training", "evaluation"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
LIBROSA_RATE = 400  # segments a second, roughly: chooses how many are extracted

# The ratios to the plain loop that are to be reached.
CPU_TRAINING = {"fp32": 1.2, "bf16": 2.5}  # side by side, on two cores
CPU_WHOLE = {1: 3.0, 10: 5.0}  # by number of seeds
GPU_WHOLE = {("glam", 100): 30.0}  # on one H200


@dataclass(frozen=True)
class Options:
    """The choice of what is measured, and how long.

    rounds: that count. seconds: of the plain loop's training, and of its evaluation, in a round. runs: at once.
    batch_sizes: of one run, to find its fastest. whole: epochs of whole runs that are really run; 0 for none. compiled:
    whether packs are, as those of long experiments.
    """

    device: str
    rounds: int
    seconds: float
    runs: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    whole: int
    compiled: bool = False

    @property
    def cpu(self) -> bool:
        """True where the device is a CPU."""
        return torch.device(self.device).type == "cpu"


class Contender(NamedTuple):
    """One side of a comparison. engine, precision; runs: at once; threads: of each run, 0 where it is not on a CPU."""

    engine: str
    precision: str
    runs: int
    threads: int


class _Rows:
    """Rows of a problem's training and evaluation, from the seconds of interleaved rounds."""

    def __init__(self, problem: Problem, rates: Mapping[str, float]) -> None:
        self.rates = rates
        self.segments = {"training": problem.steps * problem.batch, "evaluation": sum(problem.held_out)}
        training, evaluation = flop(problem)
        self.flop = {"training": training, "evaluation": evaluation}  # for a segment

    def row(self, part: Part, engine: Contender, seconds: Sequence[Seconds], plain: Sequence[Seconds]) -> Row:
        ours, theirs = ([getattr(epoch, part) for epoch in epochs] for epochs in (seconds, plain))
        rate = Spread.of([engine.runs * self.segments[part] / s for s in ours])
        flops, highest = rate.median * self.flop[part], self.rates.get(engine.precision)
        return Row(
            part=part,
            **engine._asdict(),
            rate=rate,
            ratio=Spread.of([engine.runs * p / s for p, s in zip(theirs, ours, strict=True)]),
            flops=flops,
            share=flops / highest if highest else None,
            target=CPU_TRAINING[engine.precision]
            if (part, engine.engine, engine.runs, engine.threads, CORES) == ("training", "side by side", 2, 1, 2)
            else None,
        )


def measure(
    model: str,
    extraction: Sequence[Row],
    corpus: Corpus,
    rates: Mapping[str, float],
    options: Options,
    workers: Workers,
    folder: Path,
) -> ModelResult:
    """Training, evaluation and whole runs of a model.

    extraction: rows of its features (`measure_features`). rates: of the device's matrix product, by precision.
    folder: for what is made on the way.
    """
    problem = make_problem(model, options.device, folder)
    problem = sized(problem, interleaved({model: _plain_epochs(problem)}, 1)[model][0], options.seconds)
    table = _Rows(problem, rates)

    threads = CORES if options.cpu else 0
    plain, step, bare = (
        Contender(name, "tf32" if "tf32" in rates else "fp32", 1, threads)
        for name in ("plain loop", "its steps", "bare loop")
    )
    contenders = {
        plain: _plain_epochs(problem),
        step: memory_epochs(problem, bare=False),
        bare: memory_epochs(problem, bare=True),
        **{
            Contender("one run", p, 1, threads): workers.epochs(problem, p, 1, CORES)
            if options.cpu
            else one_run(problem, p, CORES)
            for p in PRECISIONS
        },
    }
    times = interleaved(contenders, options.rounds)
    rows = [table.row("training", engine, seconds, times[plain]) for engine, seconds in times.items()]
    rows += [
        table.row("evaluation", engine, seconds, times[plain])
        for engine, seconds in times.items()
        if engine not in (step, bare)
    ]
    del contenders
    for runs in options.runs:
        if not (more := _side_by_side(problem, runs, plain, table, options, workers)):
            break
        rows += more

    rows = sorted([*extraction, *rows], key=lambda row: ("training", "evaluation", "features").index(row.part))
    wholes = composed(problem.recipe, rows, options)
    if options.whole:
        wholes += _really_run(problem.recipe, corpus, options, folder)
    fastest = {p: fastest_batch(problem, p, options.batch_sizes) for p in PRECISIONS if options.batch_sizes}
    problem.features.unlink()
    return ModelResult(
        shape=problem.shape,
        batch=problem.batch,
        steps=problem.steps,
        utterances=len(problem.held_out),
        training_flop=table.flop["training"],
        evaluation_flop=table.flop["evaluation"],
        rows=rows,
        wholes=wholes,
        step_to_bare=_in_time(times[step], times[bare]),
        loop_to_bare=_in_time(times[plain], times[bare]),
        fastest_batch=fastest,
    )


def _side_by_side(
    problem: Problem, runs: int, plain: Contender, table: _Rows, options: Options, workers: Workers
) -> list[Row]:
    """Rows of so many runs at once; none where runs are not packed, or where the device has no room for so many."""
    engines: dict[Contender, Iterator[Seconds]] = {}
    for precision in PRECISIONS:
        engine = Contender("side by side", precision, runs, 1 if options.cpu else 0)
        epochs = (
            workers.epochs(problem, precision, runs, 1)
            if options.cpu
            else packed_steps(problem, precision, runs, options.compiled)
        )
        if epochs is not None:
            engines[engine] = epochs
    if not engines:
        return []
    try:
        times = interleaved({plain: _plain_epochs(problem), **engines}, options.rounds)
    except torch.OutOfMemoryError:
        say(f"no room for {runs} runs at once")
        return []
    parts: tuple[Part, ...] = ("training", "evaluation")
    return [table.row(part, engine, times[engine], times[plain]) for part in parts for engine in engines]


def _plain_epochs(problem: Problem) -> Iterator[Seconds]:
    return plain_epochs(problem.recipe, made_up(problem), torch.device(problem.device))


def _in_time(seconds: Sequence[Seconds], others: Sequence[Seconds]) -> Spread:
    return Spread.of([ours.training / theirs.training for ours, theirs in zip(seconds, others, strict=True)])


def measure_features(recipe: Recipe, corpus: Corpus, options: Options, folder: Path) -> list[Row]:
    """Extraction of a recipe's features: one segment at a time, and as the stores are made."""
    utterances = some_utterances(corpus, recipe, max(20, round(LIBROSA_RATE * options.seconds)))
    segments = segments_of(utterances, recipe)
    plain = Contender("plain loop", "fp32", 1, 1 if options.cpu else 0)
    contenders = {
        plain: plain_extraction(corpus, utterances, recipe),
        Contender("ours", "fp32", 1, CORES if options.cpu else 0): our_extraction(
            corpus, utterances, recipe, options.device, folder
        ),
    }
    times = interleaved(contenders, options.rounds)
    return [
        Row(
            part="features",
            **engine._asdict(),
            rate=Spread.of([segments / s for s in seconds]),
            ratio=Spread.of([p / s for p, s in zip(times[plain], seconds, strict=True)]),
        )
        for engine, seconds in times.items()
    ]


def composed(recipe: Recipe, rows: Sequence[Row], options: Options) -> list[Whole]:
    """Whole runs of the recipe on IEMOCAP's improvised set, put together from the rates of their parts.

    The plain loop computes the features of its split for every seed; we compute all that the stores hold, once. One
    run has the whole machine; of several, as many are at once as was fastest. Start-up and storing are left out.
    """
    size, epochs = counts(recipe), recipe.training.epochs
    assert isinstance(recipe.split, Random)  # as in all released recipes
    share = recipe.split.train_share
    train, test = share * size.train_segments, (1 - share) * size.test_segments

    def rate(part: str, engine: str, precision: str = "", runs: int = 1) -> float:
        return next(
            row.rate.median
            for row in rows
            if (row.part, row.engine, row.runs) == (part, engine, runs) and precision in ("", row.precision)
        )

    def of_epochs(engine: str, precision: str = "", runs: int = 1) -> float:
        return epochs * (
            train / rate("training", engine, precision, runs) + test / rate("evaluation", engine, precision, runs)
        )

    plain = (train + test) / rate("features", "plain loop") + of_epochs("plain loop")
    wholes = []
    for seeds in (1, 10) if options.cpu else (1, 10, 100):
        for precision in PRECISIONS:
            alone = of_epochs("one run", precision)
            several = [row.runs for row in rows if row.engine == "side by side" and row.part == "training"]
            packed = [of_epochs("side by side", precision, runs) for runs in several if runs <= seeds]
            ours = size.stored / rate("features", "ours") + seeds * min([alone, *packed])
            target = CPU_WHOLE.get(seeds) if options.cpu else GPU_WHOLE.get((recipe.model.name, seeds))
            wholes.append(Whole(seeds, epochs, precision, "composed", seeds * plain, ours, target))
    return wholes


def _really_run(recipe: Recipe, corpus: Corpus, options: Options, folder: Path) -> list[Whole]:
    """Whole runs on the corpus at hand: one, and where runs are side by side, one a core; the plain loop's one run."""
    training = recipe.training.model_copy(update={"epochs": options.whole})
    recipe = recipe.model_copy(update={"training": training})
    plain = whole_plain_run(corpus, recipe, options.device)
    wholes = []
    for runs in sorted({1, CORES if options.cpu else 1}):
        for precision in PRECISIONS:
            resources = Resources(options.device, CORES // runs, runs, checkpoint_seconds=60)
            ours = our_whole_runs(
                corpus,
                recipe.model_copy(update={"training": training.model_copy(update={"precision": precision})}),
                resources,
                runs,
                folder,
            )
            wholes.append(Whole(runs, options.whole, precision, f"run on {corpus.root.name}", runs * plain, ours))
    return wholes
