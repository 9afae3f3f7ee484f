"""Head-k-pooling against recorded losses and gradients, and against its definition in plain Python."""

from math import exp, log1p
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from glam.learning.head_k import HeadK

NAMES = ("ang", "hap", "neutral", "sad", "fear")
CASES = ["four", "five", "none", "single", "allneutral", "ties", "zeros", "extreme"]


def named(classes: int, neutral: int, **options: Any) -> HeadK:
    """The loss of so many classes, of which that one is called neutral; -1 is none."""
    names = tuple("neutral" if c == neutral else f"class {c}" for c in range(classes))
    return HeadK(names, neutral="" if neutral < 0 else "neutral", **options)


def per_row(values: NDArray[np.int64], counts: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.repeat(values, counts))


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, NDArray[Any]]:
    with np.load(shared / "parity" / "next" / "headk_loss.npz") as arrays:
        return dict(arrays)


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_the_recorded_ones(golden: dict[str, NDArray[Any]], case: str) -> None:
    record = {name.partition("/")[2]: value for name, value in golden.items() if name.startswith(f"{case}/")}
    counts, classes = record["counts"], record["logits"].shape[1]
    target, group = per_row(record["labels"], counts), per_row(np.arange(len(counts)), counts)
    for i, k in enumerate(record["k"].tolist()):
        for j, negatives in enumerate(record["lambda"].tolist()):
            loss = named(classes, int(record["neutral"]), k=k, negatives=negatives)
            logits = torch.from_numpy(record["logits"]).requires_grad_()
            value = loss(logits, target, group)
            value.backward()
            assert value.item() == pytest.approx(record["loss"][i, j], rel=1e-12)
            # where a sigmoid is 1, the record's gradient is a difference of numbers around 1
            assert logits.grad is not None
            np.testing.assert_allclose(logits.grad, record["grad"][i, j], rtol=1e-12, atol=1e-16)
    assert record["bce_mean"] == pytest.approx(record["loss"][-1, 0], rel=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
def test_each_utterance_has_the_recorded_loss_and_decision_makers(golden: dict[str, NDArray[Any]], case: str) -> None:
    record = {name.partition("/")[2]: value for name, value in golden.items() if name.startswith(f"{case}/")}
    ends = np.cumsum(record["counts"])
    for i, k in enumerate(record["k"].tolist()):
        loss = named(record["logits"].shape[1], int(record["neutral"]), k=k, negatives=0.0)
        for u, (count, label) in enumerate(zip(record["counts"], record["labels"], strict=True)):
            rows = slice(ends[u] - count, ends[u])
            logits = torch.from_numpy(record["logits"][rows]).requires_grad_()
            value = loss(logits, torch.full((count,), label), torch.zeros(count, dtype=torch.int64))
            value.backward()
            assert value.item() == pytest.approx(record["utterance_loss"][i, 0, u], rel=1e-12)
            assert logits.grad is not None
            decides = logits.grad.any(dim=1).numpy()
            assert decides.sum() == record["K"][i, u]
            assert np.array_equal(decides, record["selected"][i, rows])


@pytest.mark.parity
def test_decision_makers_are_counted_in_integers(golden: dict[str, NDArray[Any]]) -> None:
    """All shares and numbers of segments: where all logits are 0, each decision-maker adds ln 2."""
    table = golden["K_table"]
    group = torch.zeros(200, dtype=torch.int64)
    for k in range(10, 101):
        loss = HeadK(("a", "b"), k=k, negatives=0.0, neutral="", normalise="own-mean")
        for n in (1, 2, 7, 50, 120, 200):
            logits = torch.zeros(n, 2, dtype=torch.float64, requires_grad=True)
            loss(logits, group[:n], group[:n]).backward()
            assert logits.grad is not None
            assert int(logits.grad.any(dim=1).sum()) == table[k - 10, n - 1]


def defined(
    logits: NDArray[np.float64], target: NDArray[np.int64], group: NDArray[np.int64], neutral: int, loss: HeadK
) -> float:
    """The loss as the paper's section describes it, an utterance and a term at a time."""

    def softplus(z: float) -> float:
        return max(z, 0.0) + log1p(exp(-abs(z)))

    total, utterances, classes = 0.0, int(group.max()) + 1, logits.shape[1]
    for u in range(utterances):
        rows = [logits[i].tolist() for i in range(len(group)) if group[i] == u]
        c = int(target[list(group).index(u)])
        deciders = -(-loss.k * len(rows) // 100)
        ranked = sorted(range(len(rows)), key=lambda i: (-rows[i][c], i))
        negatives = [i for i in range(classes) if i != c and (c == neutral or i != neutral)]
        decided, assisted = 0.0, []
        for place, i in enumerate(ranked):
            if place >= deciders:
                assisted += [softplus(rows[i][j]) for j in negatives]
                continue
            for j in range(classes):
                if j == c:
                    decided += softplus(-rows[i][j])
                elif j in negatives or loss.deciders_against_neutral:
                    decided += softplus(rows[i][j])
        share = deciders * classes if loss.normalise == "deciders" else max(len(assisted), 1)
        total += decided / (deciders * classes) + loss.negatives * sum(assisted) / share
    return total / utterances


@st.composite
def batches(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Logits with ties, classes and utterances of rows that need not be neighbours."""
    classes = draw(st.integers(2, 5))
    counts = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    group = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    target = rng.integers(0, classes, len(counts))[group]
    scale = draw(st.sampled_from([1.0, 300.0]))
    logits = scale * np.round(rng.normal(size=(len(group), classes)), draw(st.sampled_from([0, 1, 9])))
    return logits, target, group


@given(
    batch=batches(),
    k=st.integers(10, 100),
    negatives=st.sampled_from([0.0, 0.3, 1.0]),
    neutral=st.integers(-1, 4),
    normalise=st.sampled_from(["deciders", "own-mean"]),
    against=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_loss_is_its_definition(
    batch: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
    k: int,
    negatives: float,
    neutral: int,
    normalise: Any,
    against: bool,
) -> None:
    logits, target, group = batch
    neutral = min(neutral, logits.shape[1] - 1)
    loss = named(
        logits.shape[1], neutral, k=k, negatives=negatives, normalise=normalise, deciders_against_neutral=against
    )
    value = loss(torch.from_numpy(logits), torch.from_numpy(target), torch.from_numpy(group))
    assert value.item() == pytest.approx(defined(logits, target, group, neutral, loss), rel=1e-12)


@given(batches())
@settings(deadline=None, max_examples=30)
def test_with_everyone_deciding_it_is_the_mean_binary_cross_entropy(
    batch: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    logits, target, group = (torch.from_numpy(array) for array in batch)
    own = F.one_hot(target, logits.shape[1]).double()
    of_rows = F.binary_cross_entropy_with_logits(logits, own, reduction="none").mean(dim=1)
    of_utterances = torch.stack([of_rows[group == u].mean() for u in range(int(group.max()) + 1)])
    for negatives in (0.0, 1.0):
        value = named(logits.shape[1], 0, k=100, negatives=negatives)(logits, target, group)
        assert value.item() == pytest.approx(of_utterances.mean().item(), rel=1e-9)


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of an older torch, which runs it as processes
def test_losses_of_many_runs_at_once_are_those_of_each() -> None:
    """Mapped, with other utterances of another number in each, which the shapes do not show."""
    torch.manual_seed(0)
    loss = HeadK(NAMES)
    logits = torch.randn(3, 12, 5, dtype=torch.float64)
    group = torch.tensor([[0] * 12, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3], [1, 0] * 6])
    labels = torch.randint(0, 5, (3, 4))
    target = labels.gather(1, group)
    gradients, values = torch.func.vmap(torch.func.grad_and_value(loss))(logits, target, group)
    for i in range(3):
        gradient, value = torch.func.grad_and_value(loss)(logits[i], target[i], group[i])
        torch.testing.assert_close(values[i], value, rtol=1e-13, atol=0)
        torch.testing.assert_close(gradients[i], gradient, rtol=1e-13, atol=1e-16)


def test_single_precision_is_as_good_as_it_can_be() -> None:
    torch.manual_seed(0)
    logits, group = 20 * torch.randn(200, 5), torch.arange(200) // 17
    target = torch.randint(0, 5, (12,))[group]
    loss = HeadK(NAMES)
    assert loss(logits, target, group).dtype == torch.float32
    assert loss(logits, target, group).item() == pytest.approx(loss(logits.double(), target, group).item(), rel=1e-6)


def test_it_says_what_it_wants() -> None:
    loss = HeadK(NAMES)
    assert (loss.activation, loss.whole_utterances, loss.k, loss.negatives, loss.neutral) == (
        "sigmoid",
        True,
        70,
        1.0,
        2,
    )
    assert HeadK(("a", "b"), neutral="").neutral == -1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 9}, "k is 9, expected 10 to 100 percent"),
        ({"k": 101}, "k is 101"),
        ({"negatives": -1.0}, r"negatives is -1.0, expected 0 or more"),
        ({"neutral": "neutrl"}, r"neutral is 'neutrl', expected one of ang, hap, neutral, sad, fear, or \"\" for none"),
        ({"normalise": "mean"}, 'normalise is \'mean\', expected "deciders" or "own-mean"'),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeadK(NAMES, **options)


def test_logits_of_other_classes_are_refused() -> None:
    zero = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="logits are of 4 classes, the loss of 5"):
        HeadK(NAMES)(torch.zeros(2, 4), zero, zero)
