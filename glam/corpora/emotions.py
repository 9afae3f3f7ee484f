"""Labels of different corpora that mean the same emotion."""

from collections.abc import Iterable, Mapping

# What corpora call an emotion, in small letters. Words that only some take for the same (calm and neutral, excited and
# happy) stand apart: who wants them together says so.
SAME: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "angry", "ang", "mad", "w\u00fctend", "\u00e4rger"),
    "boredom": ("boredom", "bored", "bor"),
    "calm": ("calm", "calmness"),
    "contempt": ("contempt", "con"),
    "disgust": ("disgust", "disgusted", "dis"),
    "excitement": ("excitement", "excited", "exc"),
    "fear": ("fear", "fearful", "afraid", "scared", "fea"),
    "frustration": ("frustration", "frustrated", "fru"),
    "happiness": ("happiness", "happy", "hap", "joy", "joyful"),
    "neutral": ("neutral", "neu", "neutrality"),
    "sadness": ("sadness", "sad"),
    "surprise": ("surprise", "surprised", "sur", "pleasant_surprise", "ps"),
}
_COMMON = {word: common for common, words in SAME.items() for word in words}


def common(label: str) -> str:
    """The common word for a label, or the label itself, in small letters."""
    small = label.strip().casefold()
    return _COMMON.get(small, small)


def class_of_each(
    labels: Iterable[str], classes: Mapping[str, tuple[str, ...]], given: Mapping[str, str]
) -> dict[str, str]:
    """The class that each label is tested as; labels that none means are left out.

    classes: class -> the labels that it was made of. given: label -> class, which wins, '' for none. Else a label is of
    the class that is called the same or, of those where none is, that was made of a label that means the same.
    """
    by_name = {common(name): name for name in classes}
    by_part = {common(label): name for name, made_of in classes.items() for label in made_of}
    mapped = {label: given.get(label, by_name.get(common(label), by_part.get(common(label), ""))) for label in labels}
    return {label: name for label, name in mapped.items() if name}
