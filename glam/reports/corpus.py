"""A corpus for a person to read: what was found beside what is known of the release."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from glam.corpora import scheme_of
from glam.corpora.audio import RATE
from glam.corpora.completeness import counts_of, release_of
from glam.corpora.inventory import LISTED, inventory, problem_blocks
from glam.corpora.scheme import Release, Scheme, scheme, scheme_names
from glam.corpora.utterances import Corpus
from glam.reports.grid import grid
from glam.reports.summary import SYNTHETIC
from glam.splits.population import AS_RELEASED, CorpusSettings
from glam.words import counted, range_of

MOST = 3 * LISTED  # speakers in the table
FEW_SPEAKERS = 3  # below, no interval over speakers means anything
SEGMENT = 1.8  # seconds: the released setting


def look_through(corpus: Corpus, settings: CorpusSettings, index: Path) -> str:
    """The text that `glam corpus` prints. index: folder of the corpus's index."""
    if settings.name in AS_RELEASED:
        return inventory(corpus, index / "index.csv")
    known = scheme_of(settings.name)
    release, counts = None, {}
    label_set = settings.label_set
    if known is not None:
        label_set = label_set or next(iter(known.label_sets))
        release = release_of(corpus, known, label_set)
        counts = dict(counts_of(release, known, label_set)) if release else {}
    blocks = [
        _head(corpus, known, label_set),
        _labels(corpus, counts),
        _speakers(corpus, release),
        _groups(corpus, known),
        *problem_blocks(corpus, index / "index.csv"),
        *_twins(corpus),
        *_rates(corpus, known),
        "\n".join(f"note: {note}" for note in corpus.notes),
        _lengths(corpus),
        f"index: {index / 'index.csv'}",
    ]
    return "\n\n".join(block for block in blocks if block)


def known_corpora() -> str:
    """A table of the corpora that are read by their names, and what is known of each."""
    rows = []
    for name in scheme_names():
        known = scheme(name)
        largest = max((release.utterances for release in known.releases), default=0)
        rows.append(
            [
                name,
                known.title,
                known.language,
                str(largest or ""),
                ", ".join(known.label_sets) if len(known.label_sets) > 1 else "",
                ", ".join(known.divisions),
                known.seen or "nothing",
                known.licence,
            ]
        )
    headings = ["corpus", "", "language", "utterances", "label sets", "published", "tried on real files", "licence"]
    return grid(headings, rows)


def _head(corpus: Corpus, known: Scheme | None, label_set: str) -> str:
    speakers = {utterance.speaker for utterance in corpus.utterances} - {""}
    hours = sum(utterance.samples for utterance in corpus.utterances) / RATE / 3600
    who = counted(len(speakers), "speaker") if speakers else "speakers that it does not tell"
    lines = [f"{corpus.name}: {corpus.root}"]
    if known is not None:
        seen = f"this reader was tried on real files: {known.seen}" if known.seen else "NOT TRIED ON REAL FILES"
        licence = f"licence: {known.licence}" if known.licence else ""
        lines.append("; ".join(filter(None, (known.title, known.language, licence, seen))))
    if known is not None and len(known.label_sets) > 1:
        lines.append(f"labels: {label_set} (--label-set; there are {', '.join(known.label_sets)})")
    lines.append(f"{counted(len(corpus.utterances), 'usable utterance')} of {who}, {hours:.2f} hours")
    if corpus.synthetic:
        lines.append(SYNTHETIC)
    if corpus.release:
        lines.append(f"release: {corpus.release}")
    if speakers and len(speakers) < FEW_SPEAKERS:
        lines.append(f"{counted(len(speakers), 'speaker')}: no interval is possible for what lies beyond them")
    return "\n".join(lines)


def _labels(corpus: Corpus, known: Mapping[str, int]) -> str:
    counts = Counter(utterance.label for utterance in corpus.utterances)
    return _beside("label", counts, known)


def _speakers(corpus: Corpus, release: Release | None) -> str:
    counts = Counter(utterance.speaker for utterance in corpus.utterances if utterance.speaker)
    if not counts:
        return ""
    known = dict(release.speakers) if release else {}
    if release and release.of_each_speaker:
        known = dict.fromkeys(counts, release.of_each_speaker)
    many = release.number_of_speakers or len(release.speakers) if release else 0
    lines = [f"speakers: {len(counts)}" + (f" of {many}" if many else "")]
    labels = sorted({utterance.label for utterance in corpus.utterances})
    each = Counter((utterance.speaker, utterance.label) for utterance in corpus.utterances)
    headings = ["speaker", "found", *(["known"] if known else []), *labels]
    rows = [
        [
            speaker,
            str(counts[speaker]),
            *([str(known.get(speaker, "-"))] if known else []),
            *(str(each[speaker, label]) for label in labels),
        ]
        for speaker in sorted({*counts, *known})
    ]
    if len(rows) > MOST:  # those alone that are not as known
        sizes = np.array(list(counts.values()))
        lines.append(f"{sizes.min()} to {sizes.max()} utterances each, median {np.median(sizes):g}")
        rows = [row for row in rows if known and row[1] != row[2]]
    lines += ["", grid(headings, rows[:MOST])] if rows else []
    lines += [f"... and {len(rows) - MOST} more"] if len(rows) > MOST else []
    return "\n".join(lines)


def _beside(kind: str, counts: Mapping[str, int], known: Mapping[str, int]) -> str:
    rows = [[name, str(counts.get(name, 0)), str(known.get(name, "-"))] for name in sorted({*counts, *known})]
    rows.append(["all", str(sum(counts.values())), str(sum(known.values()) or "-")])
    return grid([kind, "found", "known"], rows) if known else grid([kind, "found"], [row[:2] for row in rows])


def _groups(corpus: Corpus, known: Scheme | None) -> str:
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for utterance in corpus.utterances:
        for kind, group in utterance.groups.items():
            values[kind][group] += 1
    lines = []
    for kind, sizes in sorted(values.items()):
        if len(sizes) <= LISTED:
            lines.append(f"  {kind}: " + ", ".join(f"{group} ({count})" for group, count in sorted(sizes.items())))
        else:
            lines.append(f"  {kind}: {len(sizes)} groups of {range_of(sizes.values())}")
    if not lines:
        return ""
    divisions = ", ".join(known.divisions) if known else ""
    published = f"\npublished divisions: {divisions} (docs/corpora.md says how to use one)" if divisions else ""
    return "\n".join(["groups, for corpus.where and splits:", *lines]) + published


def _twins(corpus: Corpus) -> Iterator[str]:
    """What is the same recording under several names: these are used, and an audit counts those that cross a split."""
    same: dict[str, list[str]] = defaultdict(list)
    for utterance in corpus.utterances:
        same[utterance.sha256].append(f"{utterance.id} ({utterance.label})")
    twins = [ids for ids in same.values() if len(ids) > 1]
    if twins:
        lines = [f"the same recording under several names, all of them used: {len(twins)}"]
        lines += [f"  {' = '.join(ids)}" for ids in twins[:LISTED]]
        yield "\n".join([*lines, *([f"  ... and {len(twins) - LISTED} more"] if len(twins) > LISTED else [])])


def _rates(corpus: Corpus, known: Scheme | None) -> Iterator[str]:
    """What has another rate than the release, which a copy may owe to whoever converted it."""
    others = [utterance for utterance in corpus.utterances if known and known.rate and utterance.rate != known.rate]
    if known and others:
        first = f"the first is {others[0].id}, {others[0].rate} Hz"
        yield f"another rate than the release's {known.rate} Hz: {counted(len(others), 'file')}; {first}"


def _lengths(corpus: Corpus) -> str:
    by_length = sorted(corpus.utterances, key=lambda utterance: utterance.samples)
    shortest, longest = by_length[0], by_length[-1]
    short = sum(utterance.samples < int(SEGMENT * RATE) for utterance in by_length)
    middle = by_length[len(by_length) // 2].samples / RATE
    return (
        f"length: median {middle:.2f} s, from {shortest.samples / RATE:.2f} s ({shortest.id}) to "
        f"{longest.samples / RATE:.2f} s ({longest.id}); {short} shorter than one segment of {SEGMENT} s, and so left "
        "out unless padded (cut.padding=repeat)"
    )
