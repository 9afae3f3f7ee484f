"""An objective: inputs through their entrances in the network's order, and the loss of a mixed batch."""

import torch
from torch import Tensor, nn

from glam.learning.batch import Batch
from glam.learning.column import GROUP, LENGTH
from glam.learning.losses import CrossEntropy
from glam.learning.objective import Objective
from glam.models.entrances import Standardise

TARGET, GROUPS = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2])


class Heard(nn.Module):
    """Keeps what it is given, and answers with logits that its first input holds."""

    def __init__(self) -> None:
        super().__init__()
        self.given: tuple[Tensor, ...] = ()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, *given: Tensor) -> Tensor:
        self.given = given
        return given[0] * self.scale

    def embed(self, *given: Tensor) -> Tensor:
        return given[0] + 1


def test_the_network_takes_its_inputs_in_order_each_followed_by_its_lengths() -> None:
    network = Heard()
    inputs = {
        "words": torch.zeros(3, 5),
        "audio": torch.rand(3, 2),
        "words" + LENGTH: torch.tensor([1, 2, 3]),
    }
    Objective(network, CrossEntropy(), ("audio", "words")).logits(inputs)
    assert [x.shape for x in network.given] == [(3, 2), (3, 5), (3,)]
    assert torch.equal(network.given[0], inputs["audio"])


def test_an_entrance_stands_before_the_network_and_is_told_the_groups() -> None:
    entrance = Standardise(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 1.0], [2.0, 2.0]]))
    network = Heard()
    objective = Objective(network, CrossEntropy(), ("audio",), {"audio": entrance})
    audio = torch.tensor([[3.0, 5.0], [3.0, 5.0]])
    objective.logits({"audio": audio, "audio" + GROUP: torch.tensor([0, 1])})
    assert network.given[0].tolist() == [[3.0, 5.0], [1.0, 2.0]]
    assert objective.embed({"audio": audio, "audio" + GROUP: torch.tensor([0, 1])}).tolist() == [[4.0, 6.0], [2.0, 3.0]]
    assert "entrances.audio.mean" in objective.state_dict()  # saved with the model


def test_a_mixed_batch_has_the_mixture_of_both_losses() -> None:
    objective = Objective(Heard(), CrossEntropy(), ("audio",))
    audio, partner = torch.randn(3, 2), torch.tensor([2, 0, 1])
    mixed = 0.25 * audio + 0.75 * audio[partner]
    batch = Batch({"audio": audio}, TARGET, GROUPS, (partner, torch.tensor([0.25, 0.75])))
    own, other = (nn.functional.cross_entropy(mixed, target) for target in (TARGET, TARGET[partner]))
    torch.testing.assert_close(objective(batch), 0.25 * own + 0.75 * other)


def test_in_bf16_the_network_alone_is_rounded() -> None:
    class Linear(Heard):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, *given: Tensor) -> Tensor:
            self.given = given
            y: Tensor = self.linear(given[0])
            return y

    network = Linear()
    logits = Objective(network, CrossEntropy(), ("audio",), precision="bf16").logits({"audio": torch.randn(3, 2)})
    assert logits.dtype == torch.float32
    assert torch.equal(logits, logits.bfloat16().float())
    assert network.given[0].dtype == torch.float32
