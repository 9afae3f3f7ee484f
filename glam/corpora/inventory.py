"""The content of a corpus for a person to read: counts beside the known ones, problems, lengths."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from glam.corpora.audio import RATE
from glam.corpora.iemocap import KNOWN_COUNTS, LABELS
from glam.corpora.utterances import Corpus
from glam.words import counted

LISTED = 10  # problems, or groups, of a kind; the index has them all
SEGMENTS = ((1.8, "the released setting"), (2.0, "the paper's"))  # seconds


def inventory(corpus: Corpus, index: Path) -> str:
    """The text that handleIEMOCAP.py prints on a corpus whose index is the file `index`."""
    blocks = [_head(corpus), _table(corpus), *_differences(corpus), *problem_blocks(corpus, index)]
    blocks += ["\n".join(f"note: {note}" for note in corpus.notes)] if corpus.notes else []
    return "\n\n".join([*blocks, _lengths(corpus), f"index: {index}"])


def compared(corpus: Corpus) -> bool:
    """True where there are known counts to compare with: for a real corpus in the place of IEMOCAP."""
    return corpus.name == "iemocap" and not corpus.synthetic


def _head(corpus: Corpus) -> str:
    usable = counted(len(corpus.utterances), "usable utterance")
    speakers = counted(len({utterance.speaker for utterance in corpus.utterances}), "speaker")
    dialogues = counted(len({utterance.group("dialogue") for utterance in corpus.utterances}), "dialogue")
    hours = sum(utterance.samples for utterance in corpus.utterances) / RATE / 3600
    kind = "SYNTHETIC corpus, not IEMOCAP" if corpus.synthetic else corpus.name
    return f"{kind}: {corpus.root}\n{usable} of {speakers} in {dialogues}, {hours:.1f} hours"


def _counts(corpus: Corpus) -> dict[str, Counter[str]]:
    return {
        style: Counter(utterance.label for utterance in corpus.utterances if utterance.group("style") == style)
        for style in KNOWN_COUNTS
    }


def _table(corpus: Corpus) -> str:
    counts = _counts(corpus)
    known = {style: Counter(numbers) for style, numbers in KNOWN_COUNTS.items()}
    for by_style in (counts, known):
        by_style["full"] = by_style["improvised"] + by_style["scripted"]
    columns = [["label", *LABELS]]
    for style, numbers in counts.items():
        columns.append([f"{style} found", *(str(numbers[label]) for label in LABELS)])
        if compared(corpus):
            columns.append(["known", *(str(known[style][label] or "-") for label in LABELS)])
    padded = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns]
    return "\n".join("  ".join(row) for row in zip(*padded, strict=True))


def _differences(corpus: Corpus) -> Iterator[str]:
    if not compared(corpus):
        return
    counts = _counts(corpus)
    lines = [
        f"  {style} {label}: found {counts[style][label]}, known {number}"
        for style, known in KNOWN_COUNTS.items()
        for label, number in known.items()
        if counts[style][label] != number
    ]
    if lines:
        yield "\n".join(["WARNING: this is not the complete release, or not IEMOCAP; counts differ:", *lines])
    else:
        yield "The counts of the five labels are those of the complete release."


def problem_blocks(corpus: Corpus, index: Path) -> Iterator[str]:
    """A block of lines for each kind of problem, the first of them listed; `index` is the file of the index."""
    for kind, group in groupby(corpus.problems, key=lambda problem: problem.kind):
        problems = list(group)
        lines = [f"problem: {kind}: {len(problems)}"]
        lines += [f"  {problem.subject}: {problem.detail}" for problem in problems[:LISTED]]
        if len(problems) > LISTED:
            rest = index.with_suffix(".json")
            lines.append(f"  ... and {len(problems) - LISTED} more, all in {rest}")
        yield "\n".join(lines)


def _lengths(corpus: Corpus) -> str:
    labels = set(KNOWN_COUNTS["improvised"])
    lines = ["shorter than one segment, and so left out unless padded:"]
    for seconds, whose in SEGMENTS:
        short = [utterance for utterance in corpus.utterances if utterance.samples < int(seconds * RATE)]
        of_labels = sum(utterance.label in labels for utterance in short)
        lines.append(
            f"  {seconds} s ({whose}): {len(short)} of {len(corpus.utterances)} utterances, "
            f"{of_labels} of them {' '.join(label for label in LABELS if label in labels)}"
        )
    return "\n".join(lines)
