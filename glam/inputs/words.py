"""Words of utterances as an input: tokens, a vocabulary, and vectors of GloVe's, which the run goes on to learn.

A row is the ids of an utterance's tokens, over the words of the whole corpus, so that all runs share one store and one
size of table. What a run knows of them is fitted on its training utterances alone, as its entrance.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from glam.corpora.asr import Transcripts, read_asr
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Part, Whole
from glam.inputs.glove import WordVectors, kept_vectors, table
from glam.inputs.inputs import Extractor, Input, Normalisation, Rows, Shape, TrainingRows
from glam.inputs.tokens import Tags, Vocabulary, tokens, word_errors
from glam.places import ASR, GLOVE, file_at, path_of
from glam.words import counted

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 12  # digits of a hash that people see
LARGEST = 65_536


class Words(Input):
    """The tokens of an utterance as ids (longest,), which become vectors (longest, dimension) at the entrance.

    transcripts: `corpus`, those that the corpus has, or `asr`, those of the file at the place ASR. tokeniser: see
    tokens.py. tags: whether [LAUGHTER] and the like are tokens. longest: tokens; what is behind them is cut.
    embeddings: `glove`, the vectors of the file at the place GLOVE, random ones where there is none; `random` in any
    case. dimension: of a vector. trained: whether the vectors are learned with the rest.
    """

    dtype = "<i8"
    time_axis = 0
    needs = "words"
    normalises = False

    def __init__(
        self,
        *,
        transcripts: Literal["corpus", "asr"] = "corpus",
        tokeniser: Literal["penn-lower"] = "penn-lower",
        tags: Literal["keep", "drop"] = "keep",
        longest: int = 128,
        embeddings: Literal["glove", "random"] = "glove",
        dimension: int = 300,
        trained: bool = True,
    ) -> None:
        for name, value in (("longest", longest), ("dimension", dimension)):
            if not 1 <= value <= LARGEST:
                raise ValueError(f"{name}: given {value}, expected 1 to {LARGEST}")
        self.transcripts, self.tokeniser, self.embeddings = transcripts, tokeniser, embeddings
        self.tags: Tags = tags
        self.longest, self.dimension, self.trained = longest, dimension, trained
        self.vocabulary = Vocabulary(())
        self.vectors: WordVectors | None = None
        self.texts: dict[str, str] = {}  # of each utterance of the corpus
        self.asr: Transcripts | None = None
        self.heard: tuple[int, int] | None = None  # errors of a recogniser, of so many words

    def shape(self, cut: AnyCut) -> Shape:
        """(longest,) ids; ValueError for a cut into segments."""
        if not isinstance(cut, Whole):
            raise ValueError("nobody knows which words lie in a segment: set cut to whole")
        return (self.longest,)

    def entered(self, shape: Shape) -> Shape:
        """(longest, dimension)."""
        return (*shape, self.dimension)

    def padded(self, cut: AnyCut) -> bool:
        """True: padding follows the tokens."""
        return True

    def tokens(self, text: str) -> tuple[str, ...]:
        """The tokens of a text."""
        return tokens(text, self.tags)

    def extractor(self, cut: AnyCut, device: str = "cpu") -> Extractor:
        """See Input."""
        return _Ids(self, cut)

    def source(self, utterance: Utterance) -> list[str]:
        """Its text alone: the recording does not matter."""
        return [self.text_of(utterance)]

    def text_of(self, utterance: Utterance) -> str:
        """The text of an utterance of the corpus that was looked through, or the words that another brings along."""
        return self.texts.get(utterance.id, utterance.words)

    def places(self) -> tuple[str, ...]:
        """ASR, where its transcripts are asked for."""
        return (ASR,) if self.transcripts == "asr" else ()

    def look_through(self, utterances: Sequence[Utterance], folder: Path) -> None:
        """The texts, the vocabulary, and the vectors that GloVe has of it.

        Raises GlamError for utterances without a text in a recogniser's file, a corpus without words, and vectors of
        another dimension.
        """
        ids, spoken = [utterance.id for utterance in utterances], tuple(utterance.words for utterance in utterances)
        texts = spoken
        if self.transcripts == "asr":
            self.asr = read_asr(path_of(ASR, "the transcripts of a speech recogniser (CSV: utterance,text)"))
            texts = tuple(self.asr.of(ids))
            self.heard = _word_errors(spoken, texts)
        if not any(texts):
            raise GlamError(
                "the input words needs what is said, and the corpus has no transcription of any utterance. Give those "
                "of a speech recogniser (--file ASR=PATH), and set the option transcripts to asr."
            )
        self.texts = dict(zip(ids, texts, strict=True))
        self.vocabulary = Vocabulary.of(_tokenised(texts, self.tags))
        path = file_at(GLOVE) if self.embeddings == "glove" else None
        self.vectors = kept_vectors(path, frozenset(self.vocabulary.words), folder) if path else None
        if self.vectors and self.vectors.dimension != self.dimension:
            raise GlamError(
                f"{path}: its vectors have {self.vectors.dimension} numbers, and the recipe asks for "
                f"{self.dimension}; set the option dimension to {self.vectors.dimension}, or give another file"
            )

    def outside(self) -> Mapping[str, str]:
        """Hashes of all texts, and of GloVe's file."""
        whole = sha256("".join(f"{name}\t{text}\n" for name, text in sorted(self.texts.items())).encode())
        return {"text": whole.hexdigest()} | ({"glove": self.vectors.sha256} if self.vectors else {})

    def remarks(self, cut: AnyCut) -> tuple[str, ...]:
        """Lines on texts and vocabulary, on the vectors, and on what a recogniser heard wrong."""
        split = _tokenised(tuple(self.texts.values()), self.tags)
        cut_off = sum(len(text) > self.longest for text in split)
        empty = sum(not text for text in split)
        of_whom = "transcripts of the corpus"
        if self.asr is not None:
            models = f" by {', '.join(self.asr.models)}" if self.asr.models else ""
            of_whom = f"transcripts of a recogniser{models} ({self.asr.path.name}, {self.asr.sha256[:SHOWN]})"
        lines = [
            f"words: {of_whom}; tokens {self.tokeniser}, tags {'kept' if self.tags == 'keep' else 'dropped'}: "
            f"{len(self.vocabulary.words)} distinct in {counted(len(split), 'utterance')}, {empty} without any, "
            f"{cut_off} cut at {self.longest}"
        ]
        if self.heard is not None:
            errors, words = self.heard
            rate = f"{100 * errors / words:.2f} %" if words else "not known, as the corpus has no words itself"
            lines.append(f"word error rate against the corpus's words, without tags and punctuation: {rate}")
        return (*lines, self._of_vectors(split))

    def unlike_print(self) -> str:
        """Random embeddings, where no file was given."""
        return "" if self.vectors else "random embeddings"

    def entrance(self, training: TrainingRows, normalisation: Normalisation) -> "nn.Module":
        """The embedding of the run: vectors of GloVe's words and of those in its training utterances, no others."""
        import torch

        from glam.models.entrances import Embedded, known_words

        vectors, pretrained = table(self.vocabulary, self.vectors, training.seed, self.dimension)
        known = known_words(training.values, training.rows, torch.from_numpy(pretrained))
        return Embedded(torch.from_numpy(vectors), known, self.trained)

    def restored(self, state: "Mapping[str, Tensor]", shape: Shape) -> "nn.Module":
        """See Input."""
        from glam.models.entrances import Embedded

        expected = (len(self.vocabulary), self.dimension)
        if tuple(state["table"].shape) != expected:
            raise ValueError(f"its table of vectors is {tuple(state['table'].shape)}, expected {expected}")
        return Embedded(state["table"], state["known"], self.trained)

    def remembered(self) -> dict[str, Any]:
        """The words of the vocabulary, in the order of their ids."""
        return {"words": list(self.vocabulary.words)}

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """See Input."""
        words = remembered.get("words")
        if remembered.keys() != {"words"} or not isinstance(words, list):
            raise ValueError("its vocabulary is missing")
        if not all(isinstance(word, str) for word in words) or words != sorted(set(words)):
            raise ValueError("its vocabulary is no sorted list of distinct words")
        self.vocabulary = Vocabulary(tuple(words))

    def _of_vectors(self, split: Sequence[tuple[str, ...]]) -> str:
        if self.vectors is None:
            why = (
                "none was asked for"
                if self.embeddings == "random"
                else f"no file of GloVe's is given (--file {GLOVE}=PATH)"
            )
            return f"RANDOM EMBEDDINGS of {self.dimension} numbers: {why}"
        words = set(self.vectors.words)
        total = sum(map(len, split))
        of_all = sum(token in words for text in split for token in text)
        share = 100 * len(words) / max(1, len(self.vocabulary.words))
        return (
            f"GloVe: {self.vectors.name}, SHA-256 {self.vectors.sha256[:SHOWN]}, {self.vectors.lines} words of "
            f"{self.vectors.dimension} numbers; it has {share:.1f} % of the distinct tokens here "
            f"({len(self.vectors.lower_case)} of {len(words)} in lower case alone), {100 * of_all / max(1, total):.1f} "
            "% of all"
        )


class _Ids(Extractor):
    """The ids of an utterance's tokens."""

    needs_audio = False

    def __init__(self, of: Words, cut: AnyCut) -> None:
        super().__init__(of, cut)
        self.words = of
        self.ids = of.vocabulary.ids()

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        """See Extractor."""
        yield self.words.vocabulary.encode(
            [self.words.tokens(self.words.text_of(utterance))], self.words.longest, self.ids
        )


@lru_cache(8)
def _tokenised(texts: tuple[str, ...], tags: Tags) -> tuple[tuple[str, ...], ...]:
    return tuple(tokens(text, tags) for text in texts)


@lru_cache(4)
def _word_errors(spoken: tuple[str, ...], heard: tuple[str, ...]) -> tuple[int, int]:
    """Errors of a recogniser, and the words that there are, of utterances whose words the corpus has."""
    errors = words = 0
    for reference, hypothesis in zip(spoken, heard, strict=True):
        if reference:
            right, guess = _spoken(reference), _spoken(hypothesis)
            errors, words = errors + sum(word_errors(right, guess)), words + len(right)
    return errors, words


def _spoken(text: str) -> list[str]:
    """The tokens that can be heard: no tags, no punctuation."""
    return [token for token in tokens(text, "drop") if any(map(str.isalnum, token))]
