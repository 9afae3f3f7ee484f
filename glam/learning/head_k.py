"""Head-k-pooling loss of GLRF (Interspeech 2023): an utterance's surest segments decide, the others assist.

The K = ceil(k N / 100) of an utterance's N segments whose logit of its class is highest are its decision-makers: they
are taught its class. What the paper says of the rest in words alone, its assistants, has several readings; each is a
setting of the loss.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HeadK(nn.Module):
    """Head-k-pooling: binary cross-entropy of the decision-makers, negatives from the assistants; mean of utterances.

    For an utterance of class c with C classes, decision-makers D and assistants A, and y one-hot at c:

        1/(K C) [ sum over D and all classes of BCE(z, y) + negatives * sum over A and Neg(c) of softplus(z) ]

    Neg(c) is every class but c and neutral, which an emotional utterance's dull moments may well be; of a neutral
    utterance, every class but c. Logits rank the segments, ties go to the earlier one, and no gradient goes through the
    choice. With k = 100 there are no assistants: the mean binary cross-entropy.

    Args:
        classes: their names, in the order of the logits.
        k: share of decision-makers, in percent, 10 to 100 (Table 3); 70 is the paper's.
        negatives: weight of the assistants' negatives; 0 is equation 2 alone.
        neutral: name of the neutral class; "" where the corpus has none, and Neg(c) is every class but c.
        normalise: what the assistants' sum is divided by: "deciders", K C as equation 2 has it, so that all terms weigh
            the same; or "own-mean", the number of its own terms.
        deciders_against_neutral: whether decision-makers of other classes are negatives of neutral, as in equation 2.
            Without them, the neutral class has no negatives at all.

    Raises ValueError for settings out of range, and for a `neutral` that is none of the classes.
    """

    activation = "sigmoid"
    whole_utterances = True

    def __init__(
        self,
        classes: tuple[str, ...],
        *,
        k: int = 70,
        negatives: float = 1.0,
        neutral: str = "neutral",
        normalise: Literal["deciders", "own-mean"] = "deciders",
        deciders_against_neutral: bool = True,
    ) -> None:
        super().__init__()
        if not 10 <= k <= 100:
            raise ValueError(f"k is {k}, expected 10 to 100 percent")
        if negatives < 0:
            raise ValueError(f"negatives is {negatives}, expected 0 or more")
        if neutral and neutral not in classes:
            raise ValueError(f'neutral is {neutral!r}, expected one of {", ".join(classes)}, or "" for none')
        if normalise not in ("deciders", "own-mean"):
            raise ValueError(f'normalise is {normalise!r}, expected "deciders" or "own-mean"')
        self.classes = len(classes)
        self.k = k
        self.negatives = negatives
        self.neutral = classes.index(neutral) if neutral else -1
        self.normalise = normalise
        self.deciders_against_neutral = deciders_against_neutral

    def forward(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """The loss (), of the segments of whole utterances.

        Args:
            logits: (rows, C). target: (rows,) int64, the class of the row's utterance.
            group: (rows,) int64, the number of the row's utterance in the batch, from 0. Rows of an utterance are in
                order, and need not be neighbours.
        """
        if logits.shape[1] != self.classes:
            raise ValueError(f"logits are of {logits.shape[1]} classes, the loss of {self.classes}")
        column = torch.arange(self.classes, device=logits.device)
        own = column == target.unsqueeze(1)  # (rows, C)
        neutral = column == self.neutral  # (C,)
        segments, place = _places(logits.detach().gather(1, target.unsqueeze(1)).squeeze(1), group)
        deciders = (self.k * segments + 99) // 100  # in floating point, this would be wrong for some
        decides = (place < deciders).unsqueeze(1)
        denies = ~own & (~neutral | (target == self.neutral).unsqueeze(1))  # the assistants' negatives
        counted = own | denies | self.deciders_against_neutral  # the decision-makers' terms

        divisor = assisted = (deciders * self.classes).unsqueeze(1).to(logits.dtype)
        if self.normalise == "own-mean":
            terms = (segments - deciders).unsqueeze(1) * denies.sum(dim=1, keepdim=True)
            assisted = terms.clamp(min=1).to(logits.dtype)
        weight = torch.where(decides, counted / divisor, denies * (self.negatives / assisted))
        # Not torch's softplus, which is off by 2e-9 at 20.
        cost = -F.logsigmoid(torch.where(own, logits, -logits))
        return (weight * cost).sum() / (group.max() + 1)


def _places(score: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """For each row, the segments of its utterance, and how many of them score higher or as high and come first.

    score: (rows,). group: (rows,) int64. Both results are (rows,) int64.
    """
    rows = torch.arange(len(score), device=score.device)
    # (rows,): of utterance 0, 1, ...; there are no more of them than rows
    sizes = torch.zeros_like(rows).scatter_add(0, group, torch.ones_like(group))
    # Sorted twice, and stably: by utterance, within one by falling score, within one score in the order of the rows.
    falling = score.argsort(descending=True, stable=True)
    order = falling[group[falling].argsort(stable=True)]
    place = torch.empty_like(rows).scatter(0, order, rows) - (sizes.cumsum(0) - sizes)[group]
    return sizes[group], place
