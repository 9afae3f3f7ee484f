"""How much of a release is there: what was found beside what is known of it."""

from collections import Counter
from collections.abc import Mapping

from glam.corpora.iemocap import KNOWN_COUNTS
from glam.corpora.scheme import Release, Scheme
from glam.corpora.utterances import Corpus


def release_of(corpus: Corpus, scheme: Scheme, label_set: str) -> Release | None:
    """The smallest known release that can hold all that was found, else the largest; None where none is known.

    label_set: the one that the corpus is read with, one of the scheme's.
    """
    labels = Counter(utterance.label for utterance in corpus.utterances)

    def holds(release: Release) -> bool:
        known = counts_of(release, scheme, label_set)
        return len(corpus.utterances) <= release.utterances and all(
            labels[label] <= known.get(label, 0) for label in labels if known
        )

    by_size = sorted(scheme.releases, key=lambda release: release.utterances)
    return next((release for release in by_size if holds(release)), by_size[-1] if by_size else None)


def counts_of(release: Release, scheme: Scheme, label_set: str) -> Mapping[str, int]:
    """What is known of each label of that label set; nothing where what is known is of another.

    A release that names no label set is of the scheme's first.
    """
    return release.labels if label_set == (release.label_set or next(iter(scheme.label_sets))) else {}


def in_words(corpus: Corpus, scheme: Scheme, label_set: str) -> str:
    """The release and how much of it is usable, in words; empty where none is known."""
    release = release_of(corpus, scheme, label_set)
    if release is None:
        return ""
    usable = len(corpus.utterances)
    labels = Counter(utterance.label for utterance in corpus.utterances)
    named = f"{release.name}, " if release.name else ""
    if usable < release.utterances:
        return f"{named}INCOMPLETE: {usable} of {release.utterances} utterances"
    if usable > release.utterances:
        return f"{named}{usable - release.utterances} utterances more than are known"
    known = counts_of(release, scheme, label_set)
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
