"""Words at the entrance: what is known of them, that held-out rows cannot reach it, lengths, and packs."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from glam.models import entrances
from glam.models.dropout import seeds
from glam.models.entrances import MASKED, PADDING, UNKNOWN, Embedded, Standardise, fitted, known_words

ROWS, TIME = 40, 25
TRAIN = torch.arange(0, ROWS, 3)
HELD_OUT = torch.from_numpy(np.setdiff1d(np.arange(ROWS), TRAIN.numpy()))
ALIKE = torch.zeros(ROWS, dtype=torch.int64)


def sequences() -> tuple[Tensor, Tensor]:
    """Rows (ROWS, 3, TIME) of very different scales, zeros from their lengths on."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 3, TIME, generator=draw) * torch.tensor([[1.0], [10.0], [0.01]]) + 5
    length = torch.randint(1, TIME + 1, (ROWS,), generator=draw)
    return x.masked_fill(torch.arange(TIME) >= length[:, None, None], 0), length


def test_true_positions_of_the_training_rows_have_mean_0_and_deviation_1_and_padding_stays_0() -> None:
    x, length = sequences()
    entrance = fitted(x, TRAIN, ALIKE, 1, 1, length)
    assert entrance.mean.shape == entrance.deviation.shape == (1, 3, 1)
    done = entrance(x, length=length)
    true = torch.cat([done[row, :, : length[row]] for row in TRAIN.tolist()], dim=1)
    torch.testing.assert_close(true.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(true.std(1, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    for row in range(ROWS):
        assert (done[row, :, length[row] :] == 0).all()
    # time along the first axis of a row, as well
    other = fitted(x.transpose(1, 2), TRAIN, ALIKE, 1, 0, length)
    torch.testing.assert_close(other.mean[0, 0], entrance.mean[0, :, 0])
    torch.testing.assert_close(other(x.transpose(1, 2), length=length), done.transpose(1, 2))


def test_how_many_rows_are_read_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, length = sequences()
    whole = fitted(x, TRAIN, ALIKE, 1, 1, length)
    monkeypatch.setattr(entrances, "CHUNK", 3)
    torch.testing.assert_close(fitted(x, TRAIN, ALIKE, 1, 1, length).state_dict(), whole.state_dict())


def test_statistics_and_lengths_of_held_out_rows_cannot_reach_it() -> None:
    x, length = sequences()
    changed, other_length = x.clone(), length.clone()
    changed[HELD_OUT], other_length[HELD_OUT] = torch.nan, 1
    entrance, again = fitted(x, TRAIN, ALIKE, 1, 1, length), fitted(changed, TRAIN, ALIKE, 1, 1, other_length)
    assert torch.equal(entrance.mean, again.mean)
    assert torch.equal(entrance.deviation, again.deviation)
    changed = x.clone()
    changed[TRAIN[0]] += 1
    assert not torch.equal(entrance.mean, fitted(changed, TRAIN, ALIKE, 1, 1, length).mean)


WORDS, DIMENSION = 12, 4


def table(kind: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(WORDS, DIMENSION, generator=torch.Generator().manual_seed(3)).to(kind)


def knows(*ids: int) -> Tensor:
    known = torch.zeros(WORDS, dtype=torch.bool)
    known[list(ids)] = True
    return known


def test_known_words_have_their_vectors_others_that_of_unknown_and_padding_is_zero() -> None:
    embedded = Embedded(table(), knows(3, 5), trained=True).eval()
    vectors = embedded(torch.tensor([[3, 4, 5, UNKNOWN, PADDING]]))[0]
    assert torch.equal(vectors[[0, 1, 2, 3]], table()[[3, UNKNOWN, 5, UNKNOWN]])
    assert (vectors[4] == 0).all()
    assert torch.equal(embedded(torch.tensor([[3, 3, 3]]), torch.tensor([1]))[0, 1:], torch.zeros(2, DIMENSION))
    assert [name for name, _ in embedded.named_parameters()] == ["table"]
    assert not list(Embedded(table(), knows(3), trained=False).parameters())


def test_known_are_words_of_the_training_rows_and_words_with_a_pretrained_vector() -> None:
    ids = torch.tensor([[2, 3, 0], [4, 0, 0], [5, 6, 7]])
    known = known_words(ids, torch.tensor([0, 1]), knows(7, 9))
    assert known.nonzero().flatten().tolist() == [0, 2, 3, 4, 7, 9]


def test_words_of_held_out_rows_cannot_reach_it() -> None:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(2, WORDS - 4, (ROWS, 6), generator=draw)
    ids[HELD_OUT] = torch.randint(2, WORDS, (len(HELD_OUT), 6), generator=draw)
    pretrained = knows(WORDS - 1)
    known = known_words(ids, TRAIN, pretrained)
    changed = ids.clone()
    changed[HELD_OUT] = UNKNOWN
    assert torch.equal(known, known_words(changed, TRAIN, pretrained))
    embedded = Embedded(table(), known, trained=True)
    unseen = torch.tensor([WORDS - 4, WORDS - 3, WORDS - 2])  # in held-out rows alone, without a vector
    assert torch.equal(embedded.eval()(unseen[None])[0], table()[[UNKNOWN] * 3])
    assert torch.equal(embedded(torch.tensor([[WORDS - 1]]))[0, 0], table()[-1])
    embedded.train()(ids[TRAIN]).square().sum().backward()
    assert embedded.table.grad is not None
    assert (embedded.table.grad[WORDS - 4 :] == 0).all()


def test_one_training_token_in_a_hundred_is_masked_and_so_unknown_is_learned() -> None:
    embedded = Embedded(table(), knows(*range(2, WORDS)), trained=True)
    (seed,) = seeds(embedded)
    ids = torch.full((1000, 100), 5)
    ids[:, 60:] = PADDING
    seed.fill_(8)
    vectors = embedded(ids)
    masked = (vectors == table()[UNKNOWN]).all(-1)
    tokens = 60_000
    assert abs(masked.sum() - MASKED * tokens) < 5 * (MASKED * tokens) ** 0.5
    assert (vectors[:, 60:] == 0).all()  # padding is never masked
    seed.fill_(9)
    assert not torch.equal(embedded(ids), vectors)
    embedded(ids).sum().backward()
    assert embedded.table.grad is not None
    assert (embedded.table.grad[UNKNOWN] > 0).all()
    assert (embedded.table.grad[PADDING] == 0).all()
    assert not (embedded.eval()(ids) == table()[UNKNOWN]).all(-1).any()


@pytest.mark.parametrize(
    ("shape", "known"),
    [((4,), torch.ones(4, dtype=torch.bool)), ((4, 2), torch.ones(3, dtype=torch.bool)), ((4, 2), torch.ones(4))],
)
def test_what_embedded_refuses(shape: tuple[int, ...], known: Tensor) -> None:
    with pytest.raises(ValueError, match="expected"):
        Embedded(torch.zeros(shape), known, trained=True)


@pytest.mark.parametrize("trained", [True, False])
def test_stacked_entrances_learn_what_each_would_alone(trained: bool) -> None:
    """Each run with vectors, known words and statistics of its own, all of them state."""

    class Model(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            draw = torch.Generator().manual_seed(seed)
            known = torch.rand(WORDS, generator=draw) < 0.6
            self.words = Embedded(table(torch.float64) * (1 + seed), known, trained=trained)
            self.scale = Standardise(
                torch.full((1, DIMENSION), float(seed)).double(), torch.ones(1, DIMENSION).double()
            )
            self.out = nn.Linear(DIMENSION, 1).double()
            seeds(self)[0].fill_(seed)

        def forward(self, ids: Tensor, length: Tensor) -> Tensor:
            summed: Tensor = self.words(ids, length).sum(1).sin()
            loss: Tensor = self.out(self.scale(summed)).square().sum()
            return loss

    models = [Model(seed) for seed in range(3)]
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, WORDS, (3, 50, 9), generator=draw)
    length = torch.randint(1, 10, (3, 50), generator=draw)

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], ids: Tensor, length: Tensor) -> Tensor:
        result: Tensor = functional_call(models[0], (parameters, buffers), (ids, length))
        return result

    gradients, losses = vmap(grad_and_value(loss))(*stack_module_state(models), ids, length)
    for i, model in enumerate(models):
        alone = model(ids[i], length[i])
        alone.backward()
        torch.testing.assert_close(losses[i], alone, rtol=1e-10, atol=0)
        assert set(gradients) == {name for name, _ in model.named_parameters()}
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(gradients[name][i], parameter.grad, rtol=1e-8, atol=1e-10)
