"""Every run of a pack against the same run by itself."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from learning.small import CPU
from models.made import OF_MAPS

from glam.learning.batch import Batch, Data, Step, noise, rows_like
from glam.learning.column import Column, Columns
from glam.learning.course import RunState, Steps, alone, course, initial_objective
from glam.learning.learner import Learner, Learns
from glam.learning.objective import Objective
from glam.learning.pack import Lane, Pack
from glam.learning.settings import EvaluationSettings, TrainingSettings
from glam.learning.side_by_side import together
from glam.models import ModelSettings

SHAPE = (12, 14)
CLASSES = ("red", "green", "blue")
SEEDS = (5, 6, 7)
ADAM = TrainingSettings.model_validate({"epochs": 2, "batches": {"size": 4}})
SGD = TrainingSettings.model_validate(
    {
        "epochs": 2,
        "batches": {"size": 4},
        "optimizer": "sgd",
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "alpha": 0,
        "class_weights": "share",
    }
)
VOTES = SGD.model_copy(update={"labels": "votes", "alpha": 0.5})
CLIPPED = ADAM.model_copy(update={"clip_norm": 0.5, "decayed": ("trunk", "conv"), "weight_decay": 1e-2})
PLAIN = {"optimizer": {"name": "sgd", "momentum": 0}, "lr": 1.0, "weight_decay": 0}  # a step is the gradient


def store(folder: Path, kind: type) -> Path:
    rng = np.random.RandomState(0)
    np.save(folder / "features.npy", rng.randn(32, *SHAPE).astype(kind))
    return folder / "features.npy"


def data_of(path: Path, seed: int, votes: bool = False) -> Data:
    """18 + seed segments to train on: so many that runs differ in their steps and in their last batch."""
    rows = np.random.RandomState(seed).permutation(32)
    train, test = rows[: 18 + seed], rows[18 + seed :]
    columns = Columns({"audio": Column([path], CPU)})
    return Data(
        train=columns,
        train_rows=torch.from_numpy(train),
        train_targets=torch.from_numpy(train % 3),
        train_counts=np.ones(len(train), dtype=np.int64),
        test=columns,
        test_rows=torch.from_numpy(test),
        test_counts=np.ones(len(test), dtype=np.int64),
        train_shares=torch.rand(32, 3, generator=torch.Generator().manual_seed(1))[train].softmax(1) if votes else None,
    )


def objective_of(
    name: str,
    settings: TrainingSettings,
    seed: int,
    kind: torch.dtype = torch.float64,
    targets: torch.Tensor | None = None,
    shape: tuple[int, int] = SHAPE,
) -> Objective:
    model = ModelSettings(name=name)
    return initial_objective(model, settings, CLASSES, {"audio": shape}, seed, targets=targets).to(kind)


def steps_of(learner: Learns, settings: TrainingSettings, data: Data, seed: int, losses: list[float]) -> Steps:
    """The course of a run, whose losses are written down."""
    state = RunState()

    def note(_: int) -> None:
        losses.append(float(state.losses[-1]))

    return course(learner, settings, EvaluationSettings(), "softmax", data, seed, state, note, lambda: None)


def by_itself(
    name: str, settings: TrainingSettings, path: Path, seed: int
) -> tuple[list[float], dict[str, torch.Tensor]]:
    data = data_of(path, seed, settings.labels == "votes")
    learner = Learner(objective_of(name, settings, seed, targets=data.train_targets), settings, CPU)
    losses: list[float] = []
    alone(steps_of(learner, settings, data, seed, losses), CPU)
    return losses, learner.weights()


def side_by_side(
    name: str, settings: TrainingSettings, path: Path, seeds: tuple[int, ...], slots: int
) -> dict[int, tuple[list[float], dict[str, torch.Tensor]]]:
    results: dict[int, tuple[list[float], dict[str, torch.Tensor]]] = {}
    waiting = list(seeds)

    def until_its_end(lane: Lane, seed: int) -> Steps:
        data = data_of(path, seed, settings.labels == "votes")
        losses: list[float] = []
        lane.start(objective_of(name, settings, seed, targets=data.train_targets))
        yield from steps_of(lane, settings, data, seed, losses)
        results[seed] = losses, {key: tensor.clone() for key, tensor in lane.weights().items()}

    while waiting:
        coming = iter(waiting)

        def begin(lane: Lane) -> Steps | None:
            seed = next(coming, None)  # noqa: B023 (used before the next round)
            return None if seed is None else until_its_end(lane, seed)

        # Class weights are a buffer: the pack's own objective must have one.
        objective = objective_of(name, settings, 0, targets=torch.arange(3))
        together(Pack(objective, settings, min(slots, len(waiting)), CPU), begin)
        waiting = [seed for seed in waiting if seed not in results]
    return results


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, ADAM) for name in OF_MAPS),
        ("apcnn", SGD),
        ("multi-scale-aa", SGD),
        ("mhcnn", CLIPPED),
        ("apcnn", VOTES),
    ],
    ids=[
        *OF_MAPS,
        "apcnn with sgd",
        "multi-scale-aa with sgd",
        "mhcnn clipped, some parameters decayed",
        "apcnn on votes",
    ],
)
def test_every_run_of_a_pack_learns_what_it_learns_alone(name: str, settings: TrainingSettings, tmp_path: Path) -> None:
    path = store(tmp_path, np.float64)
    results = side_by_side(name, settings, path, SEEDS, len(SEEDS))
    assert len({len(results[seed][0]) for seed in SEEDS}) == 2  # they differ in length, and in their last batch
    for seed in SEEDS:
        losses, weights = by_itself(name, settings, path, seed)
        assert len(losses) >= 12
        np.testing.assert_allclose(results[seed][0], losses, rtol=1e-8)
        assert results[seed][1].keys() == weights.keys()
        for key, tensor in weights.items():
            assert torch.allclose(results[seed][1][key], tensor, rtol=1e-5, atol=1e-7), key


def test_a_free_slot_takes_the_next_run_and_disturbs_no_other(tmp_path: Path) -> None:
    path = store(tmp_path, np.float64)
    results = side_by_side("mhcnn", ADAM, path, (5, 6, 7, 8, 9), 2)
    for seed in (5, 6, 7, 8, 9):
        np.testing.assert_allclose(results[seed][0], by_itself("mhcnn", ADAM, path, seed)[0], rtol=1e-8)


@pytest.mark.parametrize("name", OF_MAPS)
def test_gradients_of_a_step_in_float32(name: str) -> None:
    # On the paper's segments. (Area attention's scores are not scaled: on a few segments of another size, float32
    # itself can be 1e-5 away from float64, whether a run is alone or not.)
    shape = (26, 57)
    settings = TrainingSettings.model_validate(PLAIN)
    torch.manual_seed(0)
    objectives = [objective_of(name, settings, slot, torch.float32, shape=shape) for slot in range(3)]
    pack = Pack(objective_of(name, settings, 9, torch.float32, shape=shape), settings, 3, CPU)
    steps = []
    for slot, lane in enumerate(pack.lanes()):
        lane.start(objectives[slot])
        features, target = torch.randn(8, *shape), torch.randint(0, 3, (8,))
        mix = (torch.randperm(8), torch.tensor([0.3, 0.7]))
        steps.append(Step(Batch({"audio": features}, target, target, mix), 1.0, slot))
    gradients, _ = pack.gradients(steps)
    for slot, step in enumerate(steps):
        expected = gradient(objectives[slot], settings, step)
        assert expected.shape == gradients[slot].shape
        assert (gradients[slot] - expected).norm() < 1e-5 * expected.norm()


def test_a_run_may_change_between_a_pack_and_being_alone(tmp_path: Path) -> None:
    path = store(tmp_path, np.float64)
    losses, weights = by_itself("glam", ADAM, path, 6)
    data = data_of(path, 6)
    pack = Pack(objective_of("glam", ADAM, 0), ADAM, 2, CPU)
    lane = pack.lanes()[1]
    lane.start(objective_of("glam", ADAM, 6))
    state = RunState()
    given: list[float] = []

    def go_on(learner: Learns, stop: int) -> None:
        steps = course(learner, ADAM, EvaluationSettings(), "softmax", data, 6, state, lambda _: None, lambda: None)
        request = next(steps)
        while len(given) < stop:
            loss = request[0].step(request[1])
            given.append(float(loss))
            try:
                request = steps.send(loss)
            except StopIteration:
                return
        steps.close()

    go_on(lane, 5)
    learner = Learner(objective_of("glam", ADAM, 0), ADAM, CPU)
    learner.load(lane.weights(), {key: tensor.clone() for key, tensor in lane.optimiser_state().items()})
    go_on(learner, 8)
    lane = pack.lanes()[0]
    lane.load(learner.weights(), learner.optimiser_state())
    go_on(lane, 1000)
    np.testing.assert_allclose(given, losses, rtol=1e-8)
    for key, tensor in weights.items():
        assert torch.allclose(lane.weights()[key], tensor, rtol=1e-6, atol=1e-8), key


def test_weights_of_another_model_are_refused() -> None:
    lane = Pack(objective_of("mhcnn", ADAM, 0), ADAM, 1, CPU).lanes()[0]
    with pytest.raises(RuntimeError, match="other weights"):
        lane.load(objective_of("glam", ADAM, 0).state_dict(), {})


@pytest.mark.parametrize("settings", [ADAM, CLIPPED, SGD], ids=["adam", "clipped", "sgd"])
@pytest.mark.parametrize("name", OF_MAPS)
def test_a_step_asks_nothing_of_its_device(
    name: str, settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asks for a value, or lies on the host, breaks a graph's capture; on a device without values it raises."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which does not know that device
    meta = torch.device("meta")
    pack = Pack(objective_of(name, settings, 0, torch.float32), settings, 2, meta)
    batch = noise(4, rows_like({"audio": SHAPE}), 3, settings.alpha > 0, meta)
    assert pack.step([Step(batch, 1e-4)] * 2).device == meta
    assert pack.logits(0, [{"audio": torch.zeros(5, *SHAPE, device=meta)}], 1).device == meta


@pytest.mark.parametrize("name", OF_MAPS)
def test_in_bf16_a_pack_is_as_exact_as_a_run_alone(name: str) -> None:
    settings = TrainingSettings.model_validate(PLAIN | {"precision": "bf16"})
    objective = objective_of(name, settings, 1, torch.float32)
    pack = Pack(objective_of(name, settings, 0, torch.float32), settings, 2, CPU)
    for lane in pack.lanes():
        lane.start(objective)
    torch.manual_seed(0)
    steps = [Step(noise(8, rows_like({"audio": SHAPE}), 3, True, CPU), 1.0) for _ in range(2)]
    gradients, _ = pack.gradients(steps)
    full = settings.model_copy(update={"precision": "fp32"})
    exact = gradient(objective_of(name, full, 1), full, doubled(steps[0]))
    by_one = gradient(objective_of(name, settings, 1, torch.float32), settings, steps[0])
    ours, theirs = (((g.double() - exact).norm() / exact.norm()).item() for g in (gradients[0], by_one))
    assert 1e-4 < ours < 1.5 * theirs  # it is bf16, and no worse than bf16


def doubled(step: Step) -> Step:
    batch = step.batch
    inputs = {key: x.double() for key, x in batch.inputs.items()}
    return step._replace(batch=batch._replace(inputs=inputs, mix=(batch.mix[0], batch.mix[1].double())))


def gradient(objective: Objective, settings: TrainingSettings, step: Step) -> torch.Tensor:
    learner = Learner(objective, settings, CPU)
    learner.step(step)
    return torch.cat([p.grad.flatten() for p in learner.objective.parameters() if p.grad is not None])
