"""Settings of training and evaluation: those of paper section 4.1 and the release's scripts."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from glam.errors import GlamError
from glam.named import Chosen
from glam.settings import Settings, by_name

Precision = Literal["fp32", "tf32", "bf16"]
LARGEST = 1e30  # what an optimiser multiplies with must stay within float32

LOSSES = {
    "cross-entropy": "glam.learning.losses:CrossEntropy",
    "focal": "glam.learning.focal:Focal",
    "head-k": "glam.learning.head_k:HeadK",
}


class BySegments(Settings):
    """Batches of `size` rows of the cut in an order drawn anew in every epoch; the last one may be smaller."""

    name: Literal["segments"]
    size: int = Field(32, ge=1, le=65_536)


class ByUtterances(Settings):
    """Batches of `size` whole utterances, with all their segments: for losses that look at utterances as a whole.

    most: segments that go through the network together. A batch takes fewer utterances where these have more, and an
    utterance of more segments goes through it in parts, but is whole in the loss.
    """

    name: Literal["utterances"]
    size: int = Field(16, ge=1, le=65_536)
    most: int = Field(512, ge=2, le=65_536)


class Adam(Settings):
    """Adam with coupled weight decay."""

    name: Literal["adam"]
    eps: float = Field(1e-8, gt=0, le=1)


class Sgd(Settings):
    """Stochastic gradient descent with Nesterov `momentum`."""

    name: Literal["sgd"]
    momentum: float = Field(0.9, ge=0, lt=1)


class Decay(Settings):
    """The rate is multiplied by `factor` every `every` epochs, first after `first` (or as many).

    It advances only if the rate is at least `least` then: a gate, not a clamp.
    """

    name: Literal["decay"]
    factor: float = Field(0.95, gt=0, le=1)
    every: int = Field(1, ge=1)
    first: int | None = Field(None, ge=1)
    least: float = Field(1e-6, ge=0, allow_inf_nan=False)


class Cosine(Settings):
    """The rate falls to 0 within `every` epochs and, with a `least` of 0, rises again. least: as of Decay."""

    name: Literal["cosine"]
    every: int = Field(10, ge=2)
    least: float = Field(1e-6, ge=0, allow_inf_nan=False)


class Constant(Settings):
    """The rate stays as it is."""

    name: Literal["constant"]


class LossSettings(Chosen):
    """A loss by name, with its options."""

    kind: ClassVar[str] = "loss"
    ours: ClassVar[Mapping[str, str]] = LOSSES


AnyBatches = Annotated[BySegments | ByUtterances, Field(discriminator="name"), by_name("segments")]
AnyOptimizer = Annotated[Adam | Sgd, Field(discriminator="name"), by_name("adam")]
AnySchedule = Annotated[Decay | Cosine | Constant, Field(discriminator="name"), by_name("decay")]
AnyLoss = Annotated[LossSettings, by_name("cross-entropy")]


class TrainingSettings(Settings):
    """Batches, optimiser, schedule, loss, mixup and class balance of one run. The defaults are the release's for GLAM.

    lr: initial learning rate, which `schedule` changes after every epoch. weight_decay: of the parameters whose names
        begin with one of `decayed`; () for all.
    patience: epochs without a better (WA+UA)/2 on the validation utterances after which a run stops; 0: it never does.
    clip_norm: the norm to which the gradient of a step is cut; 0 leaves it as it is.
    alpha: of mixup's Beta(alpha, alpha); 0 switches mixup off (section 3.3).
    labels: what is learned of a training utterance, its label (`hard`), or how the raters' votes are distributed over
        the classes (`votes`), where the corpus has votes and the loss takes a distribution. Scores are by the label.
    class_weights: `share` weighs a class's loss by 1 - its share of the training utterances' segments.
    upsampling: repeat training utterances until every class has as many as the largest.
    precision: of the arithmetic; tf32 needs an NVIDIA GPU.
    shuffle_labels: a control, not a way to train: the labels of the training utterances are permuted among them, so
        that a model can only score by chance.
    """

    epochs: int = Field(50, ge=1, le=100_000)
    patience: int = Field(0, ge=0)
    batches: AnyBatches = BySegments(name="segments")
    optimizer: AnyOptimizer = Adam(name="adam")
    lr: float = Field(1e-3, gt=0, le=LARGEST)
    weight_decay: float = Field(1e-6, ge=0, le=LARGEST)
    decayed: tuple[str, ...] = ()
    schedule: AnySchedule = Decay(name="decay")
    loss: AnyLoss = Field(default_factory=lambda: LossSettings(name="cross-entropy"))
    clip_norm: float = Field(0.0, ge=0, le=LARGEST)
    alpha: float = Field(0.5, ge=0, allow_inf_nan=False)
    labels: Literal["hard", "votes"] = "hard"
    class_weights: Literal["none", "share"] = "none"
    upsampling: bool = False
    precision: Precision = "fp32"
    shuffle_labels: bool = False


def check_precision(precision: Precision, device: str) -> None:
    """GlamError where a device (`cpu`, `cuda:0`, `mps`) has no arithmetic of that precision."""
    if precision == "tf32" and not device.startswith("cuda"):
        raise GlamError(f"precision tf32 exists on NVIDIA GPUs only; this is {device}. Use fp32 or bf16.")


class EvaluationSettings(Settings):
    """The way from an utterance's segments to its class: by the mean of their `logits`, or of `probabilities`."""

    average: Literal["logits", "probabilities"] = "logits"
