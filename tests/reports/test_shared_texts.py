"""Texts in the audit: what is said on both sides, and the commonest label of the same text."""

import numpy as np
from reports.stored import recipe_of

from glam.evaluation.metrics import confusion_matrix, scores_of
from glam.reports.sharing import audit_line, look_through
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey

TEXTS = ["yes", "yes", "no", "no", "", "", "well", "yes"]
TARGETS = np.array([0, 0, 1, 1, 1, 0, 1, 0])
GROUPS = {"speaker": Grouping.of(["s"] * 8), "text": Grouping.of(TEXTS)}


def test_texts_are_counted_and_their_commonest_label_is_a_reference() -> None:
    split = recipe_of(("neutral", "sad"), split={"name": "k-fold", "folds": 4}).split
    runs = [RunKey(3, fold) for fold in (1, 2, 3, 4)]
    sharing = look_through(split, GROUPS, TARGETS, 2, runs)
    texts, reference = sharing.overlaps["texts"], sharing.references["the majority of its text"]
    assert texts.whole == 3, "what two utterances say is not known"
    guesses, both, unseen, tested = np.zeros(8, dtype=np.int64), 0, 0, 0
    for run in runs:
        of_run = split.split(GROUPS, run)
        train = {TEXTS[i] for i in of_run.train} - {""}
        tests = {TEXTS[i] for i in of_run.scored} - {""}
        both += len(train & tests)
        for i in of_run.scored:
            labels = [TARGETS[j] for j in of_run.train if TEXTS[j] == TEXTS[i] and TEXTS[i]]
            unseen += not labels
            tested += 1
            guesses[i] = np.bincount(labels or TARGETS[of_run.train], minlength=2).argmax()
    assert texts.both == both / 4
    assert tested == 8
    assert reference.unseen == unseen / 4
    assert reference.test == (scores_of(confusion_matrix(TARGETS, guesses, 2)),)
    assert ", of the text " in audit_line(sharing)
    assert f"{both / 4:.1f}".removesuffix(".0") + " of " in audit_line(sharing)
