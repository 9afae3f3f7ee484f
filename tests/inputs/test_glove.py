"""GloVe files as they come, and as they come broken."""

import gzip
import tracemalloc
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glam.corpora.outside import is_number
from glam.errors import GlamError
from glam.inputs import glove
from glam.inputs.glove import WordVectors, read_vectors, table
from glam.inputs.tokens import PADDING, UNKNOWN, Vocabulary

PLAIN = "the 0.1 -0.2 3\ncat 1e-3 2 3\nThe 7 8 9\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "glove.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def values(vectors: WordVectors) -> dict[str, list[float]]:
    return {word: row.round(4).tolist() for word, row in zip(vectors.words, vectors.array, strict=True)}


def close(vectors: WordVectors, **expected: list[float]) -> bool:
    return set(vectors.words) == set(expected) and all(
        np.allclose(row, expected[word]) for word, row in zip(vectors.words, vectors.array, strict=True)
    )


def test_words_are_found_as_they_are_or_else_in_lower_case(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    vectors = read_vectors(path, {"the", "The", "Cat", "dog"})
    assert close(vectors, the=[0.1, -0.2, 3], The=[7, 8, 9], Cat=[0.001, 2, 3])
    assert vectors.words == ("Cat", "The", "the")
    assert vectors.lower_case == {"Cat"}
    assert (vectors.dimension, vectors.lines) == (3, 3)
    assert vectors.sha256 == sha256(PLAIN.encode()).hexdigest()
    assert vectors.array.dtype == np.float32


def test_no_word_found_is_no_error(tmp_path: Path) -> None:
    vectors = read_vectors(written(tmp_path, PLAIN), {"dog"})
    assert vectors.words == ()
    assert vectors.array.shape == (0, 3)


@pytest.mark.parametrize(
    "text",
    [
        "a 1 2\nb 3 4\n",
        "a 1 2\nb 3 4",  # the last line without its end
        "a 1 2\r\nb 3 4\r\n",
        "a 1 2 \nb 3 4 \n",  # as fastText writes it
        "2 2\na 1 2\nb 3 4\n",  # as word2vec
        "\ufeffa 1 2\nb 3 4\n",
        "a 1 2\nat name@domain.com 5 6\n. . . 7 8\nb 3 4\n",
        ". . . 5 6\na 1 2\nb 3 4\n",
        "1 5 6\na 1 2\nb 3 4\n",
        "a 1 2\na 9 9\nb 3 4\nb 9 9\n",
        "a 1 2\nx\x1cy 9 9\n\x85 9 9\nx\u2028z 9 9\nx\ty 9 9\nx\ry 9 9\nb 3 4\n",
        b"a 1 2\n\xff\xfe 9 9\nb 3 4\n",  # not UTF-8
        "a 1 2\n 9 9\nb 3 4\n",  # an empty word
        "a 1 2\nunwanted x y\nb 3 4\n",  # not looked at
    ],
    ids=repr,
)
def test_files_that_are_right(text: str | bytes, tmp_path: Path) -> None:
    assert close(read_vectors(written(tmp_path, text), {"a", "b"}), a=[1, 2], b=[3, 4])


def test_other_words_than_ascii_and_words_with_a_number_for_a_name(tmp_path: Path) -> None:
    path = written(tmp_path, "naïve 1 2\n3.5 4 5\nn’t 6 7\n")
    assert values(read_vectors(path, {"naïve", "3.5", "n’t", "NAÏVE"})) == {
        "3.5": [4, 5],
        "NAÏVE": [1, 2],
        "naïve": [1, 2],
        "n’t": [6, 7],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has no words in it"),
        ("2 2\n", r"has no words in it"),
        ("a 1 2\nb 3\nc 4 5\n", r"line 2 has 1 value after 'b', expected 2 as on the first line$"),
        ("a 1 2\nb 3 4 5\nc 4 5\n", r"line 2 has 3 values after 'b', expected 2"),
        ("a 1 2\n\nb 3 4\n", r"line 2 has 0 values after '', expected 2"),
        ("a 1 2\nb 3", r"line 2 has 1 value after 'b', expected 2 .* and the file ends here: get it again"),
        ("a 1 2\nb", r"line 2 has 0 values after 'b', .* and the file ends here"),
        ("3 2\na 1 2\nb 3 4\n", r"line 1 promises 3 words, and 2 follow"),
        ("2 3\na 1 2\nb 3 4\n", r"line 2 has 2 values after 'a', expected 3"),
        ("a 1 2\nb 3 x4\n", r"line 2: 'x4' of 'b' is no number"),
        ("a 1 2\nb 3 \n", r"line 2 has 1 value after 'b'"),
        ("a 1 2\nb nan 4\n", r"line 2: 'nan' of 'b' is not finite"),
        ("a 1 2\nb 3 1e99\n", r"line 2: '1e99' of 'b' is not finite"),
        ("a,1,2\nb,3,4\n", r"line 1 is 'a,1,2'; expected a word and its numbers"),
        ("a\t1\t2\n", r"line 1 is 'a\\t1\\t2'; expected"),
        (gzip.compress(b"a 1 2\n", mtime=0), r"is packed \(gzip\); unpack it"),
        (b"PK\x03\x04\x14", r"is packed \(zip\)"),
        (b"a 1 2\n" + b"x" * 2000, r"line 2 is longer than 1000 bytes"),
    ],
    ids=repr,
)
def test_files_that_are_wrong_are_named_with_the_line(
    text: str | bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glove, "LONGEST_LINE", 1000)
    path = written(tmp_path, text)
    with pytest.raises(GlamError, match=message) as error:
        read_vectors(path, {"a", "b"})
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(GlamError, match="cannot be read"):
            read_vectors(path, {"a"})


WORD = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff"), min_size=1, max_size=6
).filter(lambda word: word.strip(" ") == word and not any(map(is_number, word.encode().split(b" "))))


@given(
    st.dictionaries(
        WORD,
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None, max_examples=100)
def test_whatever_words_are_written_are_read(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, list[float]]
) -> None:
    path = written(tmp_path_factory.getbasetemp(), "".join(f"{w} {a!r} {b!r}\n" for w, (a, b) in given.items()))
    vectors = read_vectors(path, set(given))
    assert {w: row.tolist() for w, row in zip(vectors.words, vectors.array, strict=True)} == given


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        path = written(tmp_path, "".join(f"word{i} {' 0.125' * 49}1\n".replace("  ", " ") for i in range(lines)))
        tracemalloc.start()
        read_vectors(path, {"word1"})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20_000) < peak(200) + 100_000  # of 6 MB


def test_the_table_has_the_vectors_of_the_file_and_draws_the_others(tmp_path: Path) -> None:
    vectors = read_vectors(written(tmp_path, PLAIN), {"the", "cat", "dog"})
    vocabulary = Vocabulary(("cat", "dog", "the"))
    rows, pretrained = table(vocabulary, vectors, seed=1)
    assert rows.shape == (5, 3)
    assert rows.dtype == np.float32
    assert pretrained.tolist() == [False, False, True, False, True]
    assert (rows[PADDING] == 0).all()
    np.testing.assert_allclose(rows[[2, 4]], [[0.001, 2, 3], [0.1, -0.2, 3]], rtol=1e-6)
    assert np.abs(rows[[UNKNOWN, 3]]).max() <= 0.25
    again, other = table(vocabulary, vectors, seed=1)[0], table(vocabulary, vectors, seed=2)[0]
    assert np.array_equal(again, rows)
    assert (other[[UNKNOWN, 3]] != rows[[UNKNOWN, 3]]).all()


def test_without_a_file_all_vectors_are_drawn() -> None:
    vocabulary = Vocabulary(tuple(f"w{i:03d}" for i in range(100)))
    rows, pretrained = table(vocabulary, None, seed=1, dimension=50)
    assert rows.shape == (102, 50)
    assert not pretrained.any()
    assert (np.abs(rows) <= 0.25).all()
    assert abs(rows[1:].std() - 0.5 / 12**0.5) < 0.003
