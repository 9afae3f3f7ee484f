"""How a model is trained and evaluated: the settings of paper section 4.1 and the release's scripts."""

from typing import Literal, Self

from pydantic import Field, model_validator

from glam.settings import Settings

Precision = Literal["fp32", "tf32", "bf16"]
LARGEST = 1e30  # what an optimiser multiplies with must stay within float32


class TrainingSettings(Settings):
    """Optimiser, schedule, mixup and class balance of one run. The defaults are the release's for GLAM.

    epochs, batch_size: of segments; the last smaller batch of an epoch is kept.
    optimizer: `adam` with coupled weight decay, or `sgd` with Nesterov `momentum`.
    lr: initial learning rate.
    schedule: `decay` multiplies the rate by `lr_factor` every `lr_every` epochs; `cosine` lets it fall to 0
        within `lr_every` epochs; `constant` leaves it. After an epoch the schedule advances only if the rate is
        at least `lr_min` then: a gate, not a clamp.
    alpha: of mixup's Beta(alpha, alpha); 0 switches mixup off (section 3.3).
    class_weights: `share` weighs a class's loss by 1 - its share of the training utterances' segments.
    upsampling: repeat training utterances until every class has as many as the largest.
    normalisation: of each coefficient to mean 0 and deviation 1, fitted on the training utterances: over all of them
        (`training`) or each speaker's (`speaker`).
    precision: of the arithmetic; tf32 needs an NVIDIA GPU.
    shuffle_labels: a control, not a way to train: the labels of the training utterances are permuted among them, so
        that a model can only score by chance.
    """

    epochs: int = Field(50, ge=1, le=100_000)
    batch_size: int = Field(32, ge=1, le=65_536)
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0, le=LARGEST)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-6, ge=0, le=LARGEST)
    schedule: Literal["decay", "cosine", "constant"] = "decay"
    lr_factor: float = Field(0.95, gt=0, le=1)
    lr_every: int = Field(1, ge=1)
    lr_min: float = Field(1e-6, ge=0, allow_inf_nan=False)
    alpha: float = Field(0.5, ge=0, allow_inf_nan=False)
    class_weights: Literal["none", "share"] = "none"
    upsampling: bool = False
    normalisation: Literal["none", "training", "speaker"] = "none"
    precision: Precision = "fp32"
    shuffle_labels: bool = False

    @model_validator(mode="after")
    def _every_option_acts(self) -> Self:
        default = type(self).model_fields
        if self.optimizer == "adam" and self.momentum != default["momentum"].default:
            raise ValueError("momentum belongs to optimizer sgd; Adam has none to set")
        if self.schedule != "decay" and self.lr_factor != default["lr_factor"].default:
            raise ValueError(f"lr_factor belongs to schedule decay; schedule is {self.schedule}")
        if self.schedule == "cosine" and self.lr_every < 2:
            raise ValueError("lr_every: with schedule cosine, the epochs until the rate is 0, at least 2 (release: 10)")
        if self.schedule == "constant" and self.lr_every != default["lr_every"].default:
            raise ValueError("lr_every belongs to the schedules decay and cosine; schedule is constant")
        return self


class EvaluationSettings(Settings):
    """How the segments of an utterance become its class: the mean of their `logits`, or of `probabilities`."""

    average: Literal["logits", "probabilities"] = "logits"
