"""What crosses from training to test though it should not: copies of a recording, speakers, identical recordings."""

import numpy as np

from glam.errors import GlamError
from glam.splits.groups import Groups
from glam.splits.splits import Split
from glam.words import counted

ORIGINAL = "original"  # the kind of group that tells what an utterance is a copy of


def refuse_copies(groups: Groups, split: Split) -> None:
    """GlamError where something that is held out is a copy of what is trained on, or the other way round."""
    if ORIGINAL in groups and (crossing := _crossing(groups, ORIGINAL, split)):
        raise GlamError(
            f"{counted(crossing, 'utterance')} held out for test are copies of what is trained on, or have copies "
            "there (the column original): a score would be of what the model has heard. Keep them together with "
            f"split={{name: group-folds, of: {ORIGINAL}}}, or leave the copies out."
        )


def warnings(groups: Groups, split: Split, divided: str) -> list[str]:
    """What a reader must be warned of: speakers in both parts of a division `divided` that the corpus gives, twins."""
    lines = []
    speakers = groups["speaker"]
    if divided and all(speakers.names) and (crossing := _crossing(groups, "speaker", split)):
        lines.append(
            f"WARNING: {crossing} of {len(split.scored)} test utterances are of speakers who are trained on "
            f"({divided}): the score is not of new speakers"
        )
    if "file" in groups and (pieces := _crossing(groups, "file", split)):
        lines.append(
            f"WARNING: {pieces} of {len(split.scored)} test utterances are pieces of files, other pieces of which are "
            "trained on; split={name: group-folds, of: file} keeps files together"
        )
    if twins := _crossing(groups, "recording", split):
        lines.append(
            f"WARNING: the recordings of {counted(twins, 'test utterance')} are also trained on, byte for byte"
        )
    return lines


def _crossing(groups: Groups, kind: str, split: Split) -> int:
    """Utterances that are tested whose own group of that kind, if known, is trained on."""
    codes, known = groups[kind].codes, groups[kind].known
    return int((np.isin(codes[split.scored], codes[split.train]) & known[split.scored]).sum())
