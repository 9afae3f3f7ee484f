"""A corpus the project makes itself, so that everything can be tried without IEMOCAP. It is nobody's speech.

It lies on disk as an IEMOCAP release does: ten speakers in five sessions, improvised and scripted dialogues,
all labels, raters' votes, words. Its utterances are speech-like: glottal pulses and breath noise through the
formants of the words' syllables. An emotion moves pitch, intonation, tempo, pauses, loudness and voice quality;
utterances of one emotion show it to different degrees, and speakers and single utterances differ in all of these
anyway, so that the classes overlap. Lengths, background noise, and who speaks when have nothing to do with it.

The same corpus comes out everywhere; voice.py says how.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glam.corpora.audio import RATE
from glam.corpora.made import make_once
from glam.corpora.voice import Manner, Syllable, Turn, normal, random_of, record
from glam.progress import bar

NOTE = """This corpus is synthetic: version 1, made by GLAM's glam/corpora/synthetic.py.

Nobody speaks here, and nothing measured on it says anything about speech. It has the layout of an IEMOCAP
release, so that the whole way from a corpus to a table of results can be walked without IEMOCAP, which is
licensed.
"""


class Emotion(NamedTuple):
    """The meaning of a label: the raters' word and scores (1 to 5), how it sounds, words that suit it."""

    vote: str
    valence: int
    arousal: int
    dominance: int
    manner: Manner
    words: str


EMOTIONS = {
    "neu": Emotion("Neutral", 3, 2, 3, Manner(), "fine okay maybe right"),
    "hap": Emotion("Happiness", 4, 3, 3, Manner(3.5, 2.4, 0.05, 1.2, 0.8, -1.8, 0.0, -0.2), "love happy good"),
    "exc": Emotion("Excited", 4, 4, 3, Manner(7.2, 5.4, 0.25, 4.2, 1.4, -1.8, 0.1, -0.5), "wow really amazing"),
    "sad": Emotion("Sadness", 2, 2, 2, Manner(-2.6, -1.7, -0.30, -6.6, -4.0, 8.4, 0.5, 1.2), "sorry miss alone"),
    "ang": Emotion("Anger", 2, 4, 4, Manner(2.2, 2.4, 0.18, 6.6, 5.0, -4.8, 1.8, -0.4), "hate never stop"),
    "fru": Emotion("Frustration", 2, 3, 3, Manner(1.2, 1.2, 0.04, 3.0, 2.4, -1.8, 1.0, 0.2), "again why enough"),
    "fea": Emotion("Fear", 2, 4, 2, Manner(6.0, 0.6, 0.30, -1.2, -1.4, 7.2, 0.8, 0.4), "afraid help please"),
    "sur": Emotion("Surprise", 3, 4, 3, Manner(6.0, 7.2, 0.04, 2.4, 0.8, 0.0, 0.0, 0.0), "what really oh"),
    "dis": Emotion("Disgust", 2, 3, 3, Manner(-1.8, 0.8, -0.14, 0.6, 1.4, 3.6, 1.4, 0.4), "awful no ugly"),
    "oth": Emotion("Other", 3, 3, 3, Manner(0.8, 0.8, 0.0, 0.0, 0.0, 1.8, 0.5, 0.1), "well maybe so"),
    "xxx": Emotion("", 3, 3, 3, Manner(1.2, 1.1, 0.04, 0.6, 0.4, 0.0, 0.4, 0.1), "well maybe okay"),
}
# How much single utterances differ, whatever their emotion (standard deviations).
VARIATION = Manner(1.3, 0.7, 0.07, 2.1, 0.75, 1.9, 0.2, 0.2)
# How much speakers differ.
SPEAKERS = Manner(1.4, 0.6, 0.05, 1.8, 0.8, 2.2, 0.25, 0.2)
# How often each label comes, out of their sum; twice as often in the scenarios that are about it, as a scenario
# of IEMOCAP gives some of the emotion away, too.
MIX = {
    "neu": 24, "exc": 18, "sad": 18, "ang": 16, "fru": 10, "hap": 6, "xxx": 6, "sur": 3, "fea": 2, "dis": 2, "oth": 2,
}  # fmt: skip
THEMES = {
    "impro01": "ang",
    "impro02": "sad",
    "impro03": "exc",
    "impro05a": "neu",
    "impro05b": "fru",
    "script01_1": "sad",
    "script01_1b": "sad",
    "script02_2": "ang",
    "script03_2": "exc",
}
TURNS = {"improvised": 20, "scripted": 10}  # utterances of a dialogue
# The words as syllables of two letters, onset and vowel. Onsets: m nasal, l glide, t stop, s and f fricatives, h
# breath, a dot for none.
COMMON = {
    "I": ".a", "you": "lu", "we": "li", "they": "fe", "it": ".i", "that": "fa", "this": "fi", "and": ".a",
    "to": "tu", "the": "f@", "a": ".@", "of": ".o", "not": "mo", "know": "mo", "think": "si", "want": "lo",
    "tell": "te", "going": "to.i", "see": "si", "come": "ta", "time": "ta", "people": "tit@", "money": "mami",
    "water": "lot@", "mother": "maf@", "father": "faf@", "about": ".@ta", "because": "tito", "little": "lit@",
    "nobody": "motati", "remember": "limem@", "tomorrow": "tumolo", "something": "sasi", "here": "hi",
    "home": "ho", "letter": "let@", "flowers": "fa.@", "married": "meli", "waiting": "leti", "talk": "to",
}  # fmt: skip
SUITED = {
    "fine": "fa", "okay": ".ote", "maybe": "meti", "right": "la", "love": "la", "happy": "hati", "good": "tu",
    "wow": "la", "really": "lili", "amazing": ".@mesi", "sorry": "soli", "miss": "mi", "alone": ".@lo",
    "hate": "he", "never": "mef@", "stop": "so", "again": ".@te", "why": "la", "enough": ".ima",
    "afraid": ".@fe", "help": "he", "please": "ti", "what": "lo", "oh": ".o", "awful": ".of@", "no": "mo",
    "ugly": ".ali", "well": "le", "so": "so",
}  # fmt: skip
LEXICON = COMMON | SUITED


def make_corpus(root: Path) -> None:
    """Make the synthetic corpus in the folder `root`; nothing is done where it already lies complete.

    800 utterances, 80 MB. Raises GlamError where `root` is something else: a file, a folder with other content, or
    the synthetic corpus of another version.
    """
    make_once(root, NOTE, _write)


def _write(making: Path) -> None:
    turns = list(plan())
    with bar(len(turns), "Making the synthetic corpus", "utterance") as progress:
        for turn in turns:
            _write_audio(making, turn)
            progress.update()
    _write_texts(making, turns)


def dialogues() -> Iterator[tuple[str, str]]:
    """(name, scenario) of every dialogue: `Ses01F_impro01`, the F being who wears the markers."""
    for session in range(1, 6):
        part = "script01_1b" if session == 5 else "script01_1"  # IEMOCAP has such a name there, too
        worn = {
            "F": ("impro01", "impro03", "impro05a", "script01_1", "script02_2"),
            "M": ("impro02", "impro03", "impro05b", part, "script03_2"),
        }
        for wearer, scenarios in worn.items():
            for scenario in scenarios:
                yield f"Ses0{session}{wearer}_{scenario}", scenario


def plan() -> Iterator[Turn]:
    """Every utterance of the corpus, in order of dialogue and time; nothing here depends on the machine."""
    for dialogue, scenario in dialogues():
        rng = random_of(dialogue)
        scripted = scenario.startswith("script")
        labels = [label for label, n in MIX.items() for _ in range(n * (2 if label == THEMES[scenario] else 1))]
        actor, begin, count = "FM"[rng.randint(2)], RATE, {"F": 0, "M": 0}
        for k in range(TURNS["scripted" if scripted else "improvised"]):
            if rng.randint(4):
                actor = "M" if actor == "F" else "F"
            name = f"{dialogue}_{actor}{count[actor]:03d}"
            count[actor] += 1
            samples = _length(rng)
            label = labels[rng.randint(len(labels))]
            # A script's line is the same whoever speaks it.
            line = random_of(f"{scenario} {k}" if scripted else name)
            yield turn_of(name, f"{dialogue[:5]}{actor}", label, line, EMOTIONS[label].words.split(), samples, begin)
            begin += samples + 4000 + rng.randint(16000)


def turn_of(
    name: str,
    speaker: str,
    label: str,
    line: np.random.RandomState,
    suited: list[str],
    samples: int = 0,
    begin: int = 0,
) -> Turn:
    """The utterance of that name. speaker: whose name ends in F or M. label: one of EMOTIONS.

    line: draws what would be said. suited: words that now and then take the place of what would be said. samples: its
    length, drawn by its name where 0. begin: sample of its dialogue at which it begins.
    """
    rng = random_of(f"{name} manner")
    samples = samples or _length(random_of(f"{name} length"))
    strength = 0.45 + 0.75 * rng.random_sample()  # some hardly show what they feel
    manner = (
        _speaker(speaker)
        .plus(EMOTIONS[label].manner, strength * _expressiveness(speaker))
        .plus(Manner(*(sd * normal(rng) for sd in VARIATION)))
    )
    syllables, words = _speak(samples, manner, suited, rng, line)
    votes, scores = _rate(label, random_of(f"{name} votes"))
    return Turn(
        id=name,
        dialogue=name.rsplit("_", 1)[0],
        speaker=speaker,
        label=label,
        samples=samples,
        begin=begin,
        manner=manner,
        syllables=syllables,
        words=words,
        votes=votes,
        scores=scores,
    )


def _speak(
    samples: int, manner: Manner, suited: list[str], rng: np.random.RandomState, line: np.random.RandomState
) -> tuple[tuple[Syllable, ...], str]:
    """Fill `samples` samples with words: their syllables, and the words. `line` draws what would be said."""
    now, end = 1600 + rng.randint(3200), samples - 1600 - rng.randint(3200)
    rhythm = RATE / (4.6 * max(0.5, 1 + manner.tempo))
    common = list(COMMON)
    syllables: list[Syllable] = []
    words: list[str] = []
    phrase = 0  # words until the next pause
    while True:
        word = common[line.randint(len(common))]
        if rng.randint(8) == 0:
            word = suited[rng.randint(len(suited))]
        if phrase == 0 and words:
            now += int((1600 + rng.randint(4800)) * max(0.3, 1 + manner.pause))
        phrase = (phrase or 2 + rng.randint(4)) - 1
        spoken = []
        for onset, vowel in zip(LEXICON[word][::2], LEXICON[word][1::2], strict=True):
            length = int(rhythm * (0.65 + 0.6 * rng.random_sample()))
            spoken.append(Syllable(now, length, onset, vowel))
            now += length
        if now > end and words:
            text = " ".join(words)
            return tuple(syllables), f"{text[0].upper()}{text[1:]}."
        syllables += spoken
        words.append(word)


def _rate(label: str, rng: np.random.RandomState) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Votes of three raters and the actor, and two raters' scores. Two raters agree at least; for xxx, none do."""
    emotion = EMOTIONS[label]
    known = [other.vote for other in EMOTIONS.values() if other.vote]
    others = [known[k] for k in rng.permutation(len(known))]
    if label == "xxx":
        raters, own = others[:3], others[3]
    else:
        raters, own = [emotion.vote] * 3, emotion.vote
        if rng.randint(2):
            raters[rng.randint(3)] = others[0]
        if rng.randint(4) == 0:
            own = others[1]

    def score(mean: int) -> int:
        return min(5, max(1, mean + (rng.randint(5) - 2) // 2))

    scores = [(score(emotion.valence), score(emotion.arousal), score(emotion.dominance)) for _ in range(2)]
    return (*raters, own), tuple(scores)


def _length(rng: np.random.RandomState) -> int:
    """Samples of an utterance: from 0.9 to 8 s, half of them over 3 s, one in eight under 1.8 s."""
    quantiles = (14400, 28800, 35000, 40000, 46000, 52000, 60000, 76000, 128000)
    step, fraction = divmod(int(rng.randint(8 * 4096)), 4096)
    return quantiles[step] + (quantiles[step + 1] - quantiles[step]) * fraction // 4096


@cache
def _speaker(speaker: str) -> Manner:
    rng = random_of(speaker)
    sex = Manner(pitch=9.5 if speaker[-1] == "F" else 0.0, breath=2.0 if speaker[-1] == "F" else 0.0)
    return sex.plus(Manner(*(sd * normal(rng) for sd in SPEAKERS)))


@cache
def _expressiveness(speaker: str) -> float:
    return 0.8 + 0.4 * float(random_of(f"{speaker} expressiveness").random_sample())


def _write_audio(root: Path, turn: Turn) -> None:
    folder = root / f"Session{turn.id[4]}" / "sentences" / "wav" / turn.dialogue
    folder.mkdir(parents=True, exist_ok=True)
    record(folder / f"{turn.id}.wav", turn)


def _write_texts(root: Path, turns: list[Turn]) -> None:
    """Labels, votes and words of every dialogue, line by line as in IEMOCAP."""
    for dialogue, _ in dialogues():
        labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
        words = []
        for turn in (turn for turn in turns if turn.dialogue == dialogue):
            begin, end = turn.begin / RATE, (turn.begin + turn.samples) / RATE
            mean = ", ".join(f"{sum(score) / len(score):.4f}" for score in zip(*turn.scores, strict=True))
            labels.append(f"\n[{begin:.4f} - {end:.4f}]\t{turn.id}\t{turn.label}\t[{mean}]\n")
            raters = ("C-E1", "C-E2", "C-E3", f"C-{turn.speaker[-1]}1")
            labels += [f"{rater}:\t{vote};\t()\n" for rater, vote in zip(raters, turn.votes, strict=True)]
            for k, (valence, arousal, dominance) in enumerate(turn.scores, 1):
                labels.append(f"A-E{k}:\tval {valence}; act {arousal}; dom  {dominance};\t()\n")
            words.append(f"{turn.id} [{begin:08.4f}-{end:08.4f}]: {turn.words}\n")
        for kind, lines in (("EmoEvaluation", labels), ("transcriptions", words)):
            folder = root / f"Session{dialogue[4]}" / "dialog" / kind
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{dialogue}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
