#!/usr/bin/env python3
"""Speed of a trained model that is asked, beside evaluation in training: `python benchmarks/prediction.py MODEL`.

Both take turns on the same minute of speech, on one thread, and are measured in seconds of the processor, which others
on the machine do not take from them. A ratio is of one round; the median of the rounds is shown.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this checkout's package, called from anywhere

import numpy as np
import soundfile
import torch

from glam.cli.guard import guarded
from glam.corpora.audio import RATE
from glam.corpora.stream import stream
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.learning.column import Column, Columns
from glam.learning.learner import Learner
from glam.prediction.graphs import speech
from glam.prediction.model import Model, Question, extractors
from glam.prediction.notebook import load

SECONDS = 60  # of speech


def main() -> int:
    """The command; its exit status."""
    return guarded(_work)


def _work() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a saved model of segments, or the folder with it")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (5)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load(args.model)
    if not isinstance(model.recipe.cut, Segments):
        raise GlamError(f"{args.model}: decides on whole recordings; the speed of segments is measured")
    with TemporaryDirectory(prefix="glam-benchmark-") as temporary:
        path = Path(temporary) / "speech.wav"
        soundfile.write(path, speech(SECONDS * RATE // 16).ravel(), RATE, subtype="PCM_16")
        print("\n".join(_measured(model, path, args.rounds)))
        print(f"start to end of `glam predict` on one short recording: {_start(args.model, Path(temporary)):.1f} s")


def _measured(model: Model, path: Path, rounds: int) -> list[str]:
    cut = model.recipe.cut
    assert isinstance(cut, Segments)
    evaluate, segments = _evaluation(model, path)
    answers = model.ask([path])
    assert len(next(answers).starts) == segments  # type: ignore[union-attr]
    ratios, rates, times = [], [], []
    for _ in range(rounds):
        evaluation = _seconds(evaluate)
        asking = _seconds(lambda: list(model.ask([path])))
        apart = _seconds(lambda: list(model.ask([path], Question(hop=cut.samples / RATE))))
        ratios.append(evaluation / asking)
        rates.append(segments / asking)
        times.append(SECONDS / apart)
    return [
        f"{model.recipe.model.title}, {segments} segments of {cut.length:g} s, {cut.hop('test') / RATE:.1f} s apart:",
        f"segments a second, features included: {median(rates):.0f}, which is {median(ratios):.2f} of evaluation in "
        f"training ({min(ratios):.2f} to {max(ratios):.2f})",
        f"at a hop of one segment: {median(times):.0f} times real time",
    ]


def _evaluation(model: Model, path: Path) -> tuple[Callable[[], object], int]:
    """Evaluation as in training, of the segments of a recording whose inputs are stored."""
    samples = np.concatenate(list(stream(path)))
    device = torch.device("cpu")
    columns = {}
    for name, extractor in extractors(model, model.recipe.cut).items():
        rows = [part for part, _ in extractor(Utterance("speech", "", "", "", samples=len(samples)), samples, "test")]
        stored = path.with_name(f"{name}.npy")
        np.save(stored, np.concatenate(rows))
        columns[name] = Column([stored], device)
    count = next(iter(columns.values())).length
    learner = Learner(load(model.path).saved.objective, model.recipe.training, device)
    return lambda: learner.logits(Columns(columns), torch.arange(count), 0), count


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _start(model: Path, folder: Path) -> float:
    """Seconds on the clock, the second time: the first one reads packages from the disk."""
    soundfile.write(folder / "short.wav", speech(3 * RATE)[0], RATE)
    command = [sys.executable, "-m", "glam", "predict", str(model), str(folder / "short.wav")]
    for _ in range(2):
        begun = time.monotonic()
        subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).resolve().parent.parent)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
