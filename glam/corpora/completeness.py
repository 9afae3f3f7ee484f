"""How much of a release is there: what was found beside what is known of it."""

from collections import Counter
from collections.abc import Mapping

from glam.corpora.iemocap import KNOWN_COUNTS
from glam.corpora.scheme import Release
from glam.corpora.utterances import Corpus


def release_of(corpus: Corpus, releases: tuple[Release, ...], label_set: str) -> Release | None:
    """The smallest known release that can hold all that was found, else the largest; None where none is known.

    label_set: the one that the corpus is read with.
    """
    labels = Counter(utterance.label for utterance in corpus.utterances)

    def holds(release: Release) -> bool:
        known = counts_of(release, label_set)
        return len(corpus.utterances) <= release.utterances and all(
            labels[label] <= known.get(label, 0) for label in labels if known
        )

    by_size = sorted(releases, key=lambda release: release.utterances)
    return next((release for release in by_size if holds(release)), by_size[-1] if by_size else None)


def counts_of(release: Release, label_set: str) -> Mapping[str, int]:
    """What is known of each label of that label set; nothing where that is of another."""
    return release.labels if release.label_set in ("", label_set) else {}


def in_words(corpus: Corpus, release: Release | None, label_set: str) -> str:
    """The release and how much of it is usable, in words; empty where none is known."""
    if release is None:
        return ""
    usable = len(corpus.utterances)
    labels = Counter(utterance.label for utterance in corpus.utterances)
    named = f"{release.name}, " if release.name else ""
    if usable < release.utterances:
        return f"{named}INCOMPLETE: {usable} of {release.utterances} utterances"
    if usable > release.utterances:
        return f"{named}{usable - release.utterances} utterances more than are known"
    known = counts_of(release, label_set)
    if other := [label for label in known if known[label] != labels[label]]:
        return f"{named}not as known: {', '.join(f'{labels[label]} {label} for {known[label]}' for label in other)}"
    return f"{named}complete"


def iemocap_in_words(corpus: Corpus) -> str:
    """The same of IEMOCAP, by the counts of its five usual labels."""
    counts = Counter((utterance.group("style"), utterance.label) for utterance in corpus.utterances)
    known = {(style, label): count for style, labels in KNOWN_COUNTS.items() for label, count in labels.items()}
    if all(counts[kind] == count for kind, count in known.items()):
        return "complete"
    usable = sum(counts[kind] for kind in known)
    return f"NOT THE COMPLETE RELEASE: {usable} of {sum(known.values())} utterances of its five usual labels"
