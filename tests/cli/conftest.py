"""The trained model of tests/prediction, for the verbs that ask it."""

from prediction.conftest import own, train, trained

__all__ = ["own", "train", "trained"]
