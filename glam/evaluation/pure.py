"""Pure accuracy of GLRF (Interspeech 2023): an utterance counts as right when no segment of it says anything else.

It depends on the segments' length and hop: report them beside it. The averaged prediction of the utterance plays no
part, and may be wrong where this is right, or the reverse.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metrics import segments_like


def pure_correct(
    segment_classes: ArrayLike, truth: ArrayLike, offsets: ArrayLike, neutral: int | None
) -> NDArray[np.bool_]:
    """True for each utterance that is purely right: (U,) bool; 100 times its mean is the pure accuracy.

    A neutral utterance is purely right if all its segments are neutral; another, if at least one segment has its class
    and all the others have it or are neutral. Without a neutral class, every segment must have the utterance's class,
    which is our choice.

    Args:
        segment_classes: (S,) integers, the predicted classes. truth: (U,) integers, of the utterances.
        offsets: (U+1,), segments offsets[u] .. offsets[u+1]-1 belong to utterance u.
        neutral: the neutral class, None where there is none.

    Raises ValueError if the lengths do not fit or an utterance has no segments.
    """
    right, starts, _ = segments_like(truth, segment_classes, offsets)
    passes = right if neutral is None else right | (np.asarray(segment_classes) == neutral)
    pure: NDArray[np.bool_] = np.logical_or.reduceat(right, starts) & np.logical_and.reduceat(passes, starts)
    return pure
