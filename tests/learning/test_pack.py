"""Every run of a pack against the same run by itself."""

import dataclasses
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from glam.learning import pack as pack_module
from glam.learning.column import Feed
from glam.learning.engine import (
    Batch,
    Learner,
    Learns,
    RunData,
    RunState,
    Steps,
    alone,
    class_weights,
    course,
    initial_model,
    noise,
)
from glam.learning.losses import cross_entropy
from glam.learning.pack import Lane, Pack, together
from glam.learning.settings import EvaluationSettings, TrainingSettings
from glam.models import MODELS, ModelSettings

CPU = torch.device("cpu")
SHAPE = (12, 14)
SEEDS = (5, 6, 7)
ADAM = TrainingSettings(epochs=4, batch_size=4)
SGD = TrainingSettings(
    epochs=4, batch_size=4, optimizer="sgd", lr=1e-3, weight_decay=1e-4, alpha=0, class_weights="share"
)


def store(folder: Path, kind: type) -> Path:
    rng = np.random.RandomState(0)
    np.save(folder / "features.npy", rng.randn(32, *SHAPE).astype(kind))
    return folder / "features.npy"


def data(path: Path, seed: int) -> RunData:
    """18 + seed segments to train on: so many that runs differ in their steps and in their last batch."""
    rows = np.random.RandomState(seed).permutation(32)
    train, test = rows[: 18 + seed], rows[18 + seed :]
    feed = Feed([path], CPU)
    return RunData(
        train=feed,
        train_rows=torch.from_numpy(train),
        train_targets=torch.from_numpy(train % 3),
        train_groups=torch.from_numpy(train),
        test=feed,
        test_rows=torch.from_numpy(test),
        test_segments=np.ones(len(test), dtype=np.int64),
    )


def steps_of(learner: Learns, settings: TrainingSettings, given: RunData, seed: int, losses: list[float]) -> Steps:
    """The course of a run, whose losses are written down."""
    state = RunState()

    def note(_: int) -> None:
        losses.append(float(state.losses[-1]))

    return course(learner, settings, EvaluationSettings(), given, seed, state, note, lambda: None)


def model_of(name: str, seed: int, kind: torch.dtype = torch.float64) -> torch.nn.Module:
    return initial_model(ModelSettings(name=name), 3, SHAPE, seed).to(kind)


def by_itself(
    name: str, settings: TrainingSettings, path: Path, seed: int
) -> tuple[list[float], dict[str, torch.Tensor]]:
    given = data(path, seed)
    learner = Learner(model_of(name, seed), settings, cross_entropy(class_weights64(settings, given)), CPU)
    losses: list[float] = []
    alone(steps_of(learner, settings, given, seed, losses), CPU)
    return losses, learner.weights()


def class_weights64(settings: TrainingSettings, given: RunData) -> torch.Tensor | None:
    weights = class_weights(settings, 3, given)
    return None if weights is None else weights.double()


def side_by_side(
    name: str, settings: TrainingSettings, path: Path, seeds: tuple[int, ...], slots: int
) -> dict[int, tuple[list[float], dict[str, torch.Tensor]]]:
    found: dict[int, tuple[list[float], dict[str, torch.Tensor]]] = {}
    waiting = list(seeds)

    def until_its_end(lane: Lane, seed: int) -> Steps:
        given, losses = data(path, seed), []
        lane.start(model_of(name, seed), class_weights64(settings, given))
        yield from steps_of(lane, settings, given, seed, losses)
        found[seed] = losses, {key: tensor.clone() for key, tensor in lane.weights().items()}

    while waiting:
        coming = iter(waiting)

        def begin(lane: Lane) -> Steps | None:
            seed = next(coming, None)  # noqa: B023 (used before the next round)
            return None if seed is None else until_its_end(lane, seed)

        together(Pack(model_of(name, 0), settings, min(slots, len(waiting)), 3, CPU), begin)
        waiting = [seed for seed in waiting if seed not in found]
    return found


@pytest.mark.parametrize(
    ("name", "settings"),
    [*((name, ADAM) for name in MODELS), ("apcnn", SGD), ("multi-scale-aa", SGD)],
    ids=[*MODELS, "apcnn with sgd", "multi-scale-aa with sgd"],
)
def test_every_run_of_a_pack_learns_what_it_learns_alone(name: str, settings: TrainingSettings, tmp_path: Path) -> None:
    path = store(tmp_path, np.float64)
    found = side_by_side(name, settings, path, SEEDS, len(SEEDS))
    assert len({len(found[seed][0]) for seed in SEEDS}) == 2  # they differ in length, and in their last batch
    for seed in SEEDS:
        losses, weights = by_itself(name, settings, path, seed)
        assert len(losses) >= 20
        np.testing.assert_allclose(found[seed][0], losses, rtol=1e-8)
        assert found[seed][1].keys() == weights.keys()
        for key, tensor in weights.items():
            assert torch.allclose(found[seed][1][key], tensor, rtol=1e-5, atol=1e-7), key


def test_a_free_slot_takes_the_next_run_and_disturbs_no_other(tmp_path: Path) -> None:
    path = store(tmp_path, np.float64)
    found = side_by_side("mhcnn", ADAM, path, (5, 6, 7, 8, 9), 2)
    for seed in (5, 6, 7, 8, 9):
        np.testing.assert_allclose(found[seed][0], by_itself("mhcnn", ADAM, path, seed)[0], rtol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_a_step_in_float32(name: str) -> None:
    # On the paper's segments. (Area attention's scores are not scaled: on a few segments of another size, float32
    # itself can be 1e-5 away from float64, whether a run is alone or not.)
    shape = (26, 57)
    settings = TrainingSettings(optimizer="sgd", lr=1.0, momentum=0, weight_decay=0)
    torch.manual_seed(0)
    models = [initial_model(ModelSettings(name=name), 3, shape, slot) for slot in range(3)]
    pack = Pack(initial_model(ModelSettings(name=name), 3, shape, 9), settings, 3, 3, CPU)
    batches = []
    for slot, lane in enumerate(pack.lanes()):
        lane.start(models[slot], None)
        features, target = torch.randn(8, 1, *shape), torch.randint(0, 3, (8,))
        batches.append(Batch(features, target, target, 1.0, slot, torch.randperm(8), torch.tensor([0.3, 0.7])))
    gradients, _ = pack.gradients(batches)
    for slot, batch in enumerate(batches):
        learner = Learner(models[slot], settings, cross_entropy(), CPU)
        learner.step(batch)
        expected = torch.cat([one.grad.flatten() for one in learner.model.parameters() if one.grad is not None])
        assert expected.shape == gradients[slot].shape
        assert (gradients[slot] - expected).norm() < 1e-5 * expected.norm()


def test_a_run_may_change_between_a_pack_and_being_alone(tmp_path: Path) -> None:
    path = store(tmp_path, np.float64)
    losses, weights = by_itself("glam", ADAM, path, 6)
    given = data(path, 6)
    pack = Pack(model_of("glam", 0), ADAM, 2, 3, CPU)
    lane = pack.lanes()[1]
    lane.start(model_of("glam", 6), None)
    state, found = RunState(), []

    def go_on(learner: Learns, stop: int) -> None:
        steps = course(learner, ADAM, EvaluationSettings(), given, 6, state, lambda _: None, lambda: None)
        request = next(steps)
        while len(found) < stop:
            loss = request[0].step(request[1])
            found.append(float(loss))
            try:
                request = steps.send(loss)
            except StopIteration:
                return
        steps.close()

    go_on(lane, 9)
    learner = Learner(model_of("glam", 0), ADAM, cross_entropy(), CPU)
    learner.load(lane.weights(), {key: tensor.clone() for key, tensor in lane.optimiser_state().items()})
    go_on(learner, 15)
    lane = pack.lanes()[0]
    lane.load(learner.weights(), learner.optimiser_state())
    go_on(lane, 1000)
    np.testing.assert_allclose(found, losses, rtol=1e-8)
    for key, tensor in weights.items():
        assert torch.allclose(lane.weights()[key], tensor, rtol=1e-6, atol=1e-8), key


def test_weights_of_another_model_are_refused() -> None:
    lane = Pack(model_of("mhcnn", 0), ADAM, 1, 3, CPU).lanes()[0]
    with pytest.raises(RuntimeError, match="other weights"):
        lane.load(model_of("glam", 0).state_dict(), {})


def test_what_is_left_of_a_pack_half_empty_goes_on_in_a_smaller_one(tmp_path: Path) -> None:
    path, closed = store(tmp_path, np.float64), []

    def endless(lane: Lane, seed: int) -> Steps:
        given = data(path, seed)
        settings = ADAM.model_copy(update={"epochs": 1 if seed < 7 else 1000})
        lane.start(model_of("mhcnn", seed), None)
        try:
            yield from steps_of(lane, settings, given, seed, [])
        except GeneratorExit:
            closed.append(seed)
            raise

    coming = iter((5, 6, 7, 8))

    def begin(lane: Lane) -> Steps | None:
        seed = next(coming, None)
        return None if seed is None else endless(lane, seed)

    together(Pack(model_of("mhcnn", 0), ADAM, 4, 3, CPU), begin)
    assert sorted(closed) == [7, 8]


@pytest.mark.parametrize("name", MODELS)
def test_in_bf16_a_pack_is_as_exact_as_a_run_alone(name: str) -> None:
    settings = TrainingSettings(precision="bf16", optimizer="sgd", lr=1.0, momentum=0, weight_decay=0)
    model = model_of(name, 1, torch.float32)
    pack = Pack(model_of(name, 0, torch.float32), settings, 2, 3, CPU)
    for lane in pack.lanes():
        lane.start(model, None)
    torch.manual_seed(0)
    batch = noise(8, SHAPE, 3, True, CPU)
    gradients, _ = pack.gradients([batch, noise(8, SHAPE, 3, True, CPU)])
    exact = gradient(model_of(name, 1), replace(settings, "fp32"), doubled(batch))
    alone = gradient(model_of(name, 1, torch.float32), settings, batch)
    ours, theirs = ((found - exact).norm() / exact.norm() for found in (gradients[0], alone))
    assert 1e-4 < ours < 1.5 * theirs  # it is bf16, and no worse than bf16


def replace(settings: TrainingSettings, precision: str) -> TrainingSettings:
    return settings.model_copy(update={"precision": precision})


def doubled(batch: Batch) -> Batch:
    assert batch.share is not None
    return dataclasses.replace(batch, features=batch.features.double(), share=batch.share.double())


def gradient(model: torch.nn.Module, settings: TrainingSettings, batch: Batch) -> torch.Tensor:
    learner = Learner(model, settings, cross_entropy(), CPU)
    learner.step(batch)
    return torch.cat([one.grad.flatten() for one in learner.model.parameters() if one.grad is not None]).double()


@pytest.mark.parametrize("name", ["mhcnn", "multi-scale-aa"])  # the latter drops: its masks must be the same
def test_compiled_steps_are_the_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Traced and split into forward and backward like any compiled step, but not translated: that takes a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, fullgraph=True, backend="aot_eager"))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)
    same_steps(*(two_runs(name, CPU, compiled) for compiled in (True, False)))


def test_what_cannot_be_compiled_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: object, inputs: object) -> None:
        raise RuntimeError("no compiler here\nat all")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)
    told: list[str] = []
    pack = two_runs("mhcnn", CPU, True)
    pack.tell = told.append
    same_steps(pack, two_runs("mhcnn", CPU, False))
    (line,) = told
    assert re.fullmatch(r"the steps could not be compiled, .*: \w+: .*no compiler here.*", line)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MODELS)
def test_captured_steps_are_the_steps(name: str) -> None:
    captured, plain = (two_runs(name, torch.device("cuda"), False) for _ in range(2))
    plain._graphs = None
    same_steps(captured, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["glam", "multi-scale-aa"])
def test_compiled_and_captured_steps_are_the_steps(name: str) -> None:
    pack = two_runs(name, torch.device("cuda"), True)
    pack.tell = pytest.fail
    same_steps(pack, two_runs(name, torch.device("cuda"), False))


def two_runs(name: str, device: torch.device, compiled: bool) -> Pack:
    pack = Pack(model_of(name, 0, torch.float32), ADAM, 2, 3, device, compiled)
    for slot, lane in enumerate(pack.lanes()):
        lane.start(model_of(name, slot, torch.float32), None)
    return pack


def same_steps(ours: Pack, theirs: Pack) -> None:
    """Steps of both, an epoch's last and smaller one of a slot, and an evaluation."""
    device = ours.device
    torch.manual_seed(0)
    for step in range(4):
        batches = [noise(4, SHAPE, 3, True, device) for _ in range(2)]
        assert torch.allclose(ours.step(batches), theirs.step(batches), rtol=1e-3), step
    last = noise(3, SHAPE, 3, True, device)
    assert torch.allclose(ours.step_of(1, last), theirs.step_of(1, last), rtol=2e-3)
    features = [torch.randn(size, 1, *SHAPE, device=device) for size in (5, 5, 2)]
    for slot in range(2):
        assert torch.allclose(ours.logits(slot, features, 1), theirs.logits(slot, features, 1), atol=0.02)
