"""The benchmark runs, writes what it should, and times a plain loop that does the same work. No time is tested."""

import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from importlib.metadata import version
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.engines import SEED, Workers, _packed_epochs, packed_steps
from benchmarks.plain import Plain, plain_feature
from benchmarks.problem import RECIPES, counts, interleaved, make_problem, recipe_shape, released
from benchmarks.results import ModelResult, Spread
from benchmarks.speed import main, refuse_straw_men
from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.inputs.inputs import InputSettings
from glam.inputs.spectral import SpectralExtractor
from glam.learning.batch import Batch, Step
from glam.learning.course import initial_objective
from glam.learning.learner import Learner
from glam.recipe import AUDIO

SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "speed.py"


@pytest.fixture(scope="module")
def long_release(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny release with every recording four times over: long enough for segments of two seconds."""
    root = tmp_path_factory.mktemp("long")
    for source in tiny_release.rglob("*.*"):
        target = root / source.relative_to(tiny_release)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix != ".wav":
            target.write_bytes(source.read_bytes())
            continue
        with wave.open(str(source)) as file, wave.open(str(target), "wb") as longer:
            longer.setparams(file.getparams())
            longer.writeframes(4 * file.readframes(file.getnframes()))
    return root


def test_a_quick_run_writes_ratios_of_every_part_and_a_figure(long_release: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, SPEED, "--quick", "--runs", "1", "-d", long_release, "-o", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "x plain" in done.stdout
    results = json.loads((tmp_path / "speed-cpu.json").read_text())
    assert results["environment"]["torch"] == version("torch")
    assert results["matrix_rates"].keys() == {"fp32", "bf16"}
    model = results["models"]["mhcnn"]
    parts = {(row["part"], row["engine"], row["precision"]) for row in model["rows"]}
    engines = [("plain loop", "fp32")] + [(e, p) for e in ("one run", "side by side") for p in ("fp32", "bf16")]
    assert {(part, *engine) for part in ("training", "evaluation") for engine in engines} <= parts
    assert ("features", "ours", "fp32") in parts
    for row in model["rows"]:
        assert all(0 < row[kind][value] < float("inf") for kind in ("rate", "ratio") for value in row[kind])
        assert row["part"] == "features" or 0 < row["share"] < float("inf")
    assert {(whole["runs"], whole["precision"]) for whole in model["wholes"]} == {
        (seeds, precision) for seeds in (1, 10) for precision in ("fp32", "bf16")
    }
    assert isfinite(model["step_to_bare"]["median"])
    assert (tmp_path / "speed-cpu.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("flags", [["--models", "gpt"], ["--device", "nonsense"], ["--runs", "1,x"], ["--compiled"]])
def test_a_mistake_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["speed.py", "--quick", "-o", str(tmp_path), *flags])
    assert main() == 2
    assert capsys.readouterr().err.startswith("error: ")


def result(step_to_bare: float) -> ModelResult:
    """A model of which nothing but that ratio is of interest."""
    spread = Spread(step_to_bare, step_to_bare, step_to_bare)
    return ModelResult(
        shape=(26, 57),
        batch=32,
        steps=1,
        utterances=1,
        training_flop=1.0,
        evaluation_flop=1.0,
        rows=[],
        wholes=[],
        step_to_bare=spread,
        loop_to_bare=spread,
        fastest_batch={},
    )


def test_a_straw_man_is_refused() -> None:
    fair, slow = result(1.1), result(1.2)
    refuse_straw_men({"glam": fair, "mhcnn": fair})
    with pytest.raises(GlamError, match=r"mhcnn 1\.20"):
        refuse_straw_men({"glam": fair, "mhcnn": slow})


@pytest.mark.parametrize("kind", ["mfcc", "melspectrogram", "spectrogram"])
def test_the_plain_loop_computes_our_features(kind: str) -> None:
    audio = InputSettings(name=kind).make()
    sound = (0.1 * np.random.RandomState(0).randn(3, 28_800)).astype(np.float32)
    extractor = audio.extractor(Segments(name="segments", length=1.8))
    assert isinstance(extractor, SpectralExtractor)
    ours = extractor.of_segments(torch.from_numpy(sound))
    plain = np.stack([plain_feature(segment, audio) for segment in sound])
    np.testing.assert_allclose(plain, ours, atol=2e-3)


def test_the_plain_loop_makes_our_steps() -> None:
    recipe = released("mhcnn")
    shape = recipe_shape(recipe)
    torch.manual_seed(SEED)
    plain = Plain(recipe, shape, torch.device("cpu"))
    objective = initial_objective(recipe.model, recipe.training, recipe.corpus.classes, {AUDIO: shape}, SEED)
    learner = Learner(objective, recipe.training, torch.device("cpu"))
    x, y = torch.randn(8, *shape), torch.arange(8) % 4
    step = Step(Batch({AUDIO: x}, y, y), recipe.training.lr)
    losses = [learner.step(step).item() for _ in range(3)]
    assert [plain.step(x, y) for _ in range(3)] == pytest.approx(losses, rel=1e-5)
    assert losses[2] < losses[0]


@pytest.mark.parametrize("model", [name for name in RECIPES if name != "apcnn"])  # whose segments are large
def test_a_problem_has_the_shape_of_its_recipe(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.problem.FEATURE_BYTES", 2**21)
    problem = make_problem(model, "cpu", tmp_path)
    features = np.load(problem.features, mmap_mode="r")
    assert features.shape[1:] == problem.shape == recipe_shape(released(model))
    assert len(features) % problem.batch == 0
    assert problem.recipe.model.name == model


def test_utterances_are_as_long_as_the_average() -> None:
    size = counts(released("glam"))
    lengths = size.segments_of(size.utterances)
    assert (len(lengths), sum(lengths)) == (2236, 34_739)
    assert {*lengths} == {15, 16}


def test_contenders_take_turns_after_a_round_that_does_not_count() -> None:
    turns: list[str] = []

    def contender(name: str) -> Iterator[int]:
        for i in range(10):
            turns.append(name)
            yield i

    results = interleaved({"a": contender("a"), "b": contender("b")}, 2)
    assert "".join(turns) == "ababab"
    assert results == {"a": [1, 2], "b": [1, 2]}


def test_runs_are_not_packed_on_a_cpu(tmp_path: Path) -> None:
    assert packed_steps(make_problem("mhcnn", "cpu", tmp_path), "fp32", 4, True) is None


def test_a_pack_of_runs_is_timed_epoch_by_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.synchronize", lambda _: None)  # the pack itself runs anywhere
    problem = make_problem("mhcnn", "cpu", tmp_path)
    epochs = _packed_epochs(problem, "fp32", 2, torch.device("cpu"))
    for _ in range(2):
        seconds = next(epochs)
        assert seconds.training > 0
        assert seconds.evaluation > 0


def test_a_process_that_ends_unexpectedly_is_named(tmp_path: Path) -> None:
    with Workers(1) as workers:
        epochs = workers.epochs(make_problem("mhcnn", "cpu", tmp_path), "fp32", 1, 1)
        workers._pools[0].submit(os.abort).exception()  # a system without memory is no kinder
        with pytest.raises(GlamError, match=r"mhcnn, fp32, 1 at once: .*memory ran out.*--runs 1"):
            next(epochs)
