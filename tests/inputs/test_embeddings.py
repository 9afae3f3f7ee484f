"""Embeddings of a lab: every kind of file, and what is said of one that is wrong."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.inputs.embeddings import read_embeddings

IDS = ("U1", "U2", "U3")
POOLED = np.array([[1, 2.5], [-3, 4], [5, 6e-3]], dtype=np.float32)
FRAMES = [np.arange(2 * n, dtype=np.float32).reshape(n, 2) for n in (3, 1, 2)]


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array: NDArray[Any], allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def csv(rows: NDArray[np.float32] = POOLED, header: str = "") -> bytes:
    lines = [f"{name},{','.join(map(str, row))}" for name, row in zip(IDS, rows, strict=True)]
    return (header + "\n".join(lines) + "\n").encode()


def ark(frames: bool = False) -> bytes:
    text = ""
    for name, pooled, matrix in zip(IDS, POOLED, FRAMES, strict=True):
        rows = "\n".join(f"  {' '.join(map(str, row))} " for row in matrix)
        text += f"{name}  [\n{rows}]\n" if frames else f"{name}  [ {' '.join(map(str, pooled))} ]\n"
    return text.encode()


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / next(iter(files))


@pytest.mark.parametrize(
    "files",
    [
        {"x.npz": npz(ids=np.array(IDS), vectors=POOLED)},
        {"x.npz": npz(ids=np.array(IDS), vectors=POOLED.astype(np.float64))},
        {"x.npz": npz(**dict(zip(IDS, POOLED, strict=True)))},
        {"x.npy": npy(POOLED), "x.ids": b"U1\nU2\nU3\n"},
        {"x.npy": npy(POOLED), "x.txt": b"U1\r\nU2\r\nU3"},
        {"x.csv": csv()},
        {"x.csv": csv().replace(b"\n", b"\r\n")},
        {"x.csv": csv(header="id,x,y\n")},
        {"x.csv": csv(header=",0,1\n")},
        {"X.CSV": b"\xef\xbb\xbf" + csv()},
        {"x.ark": ark()},
        {"x.txt": b"\n" + ark().replace(b"  [", b" [").replace(b"\n", b"\r\n")},
    ],
)
def test_pooled_embeddings(files: dict[str, bytes], tmp_path: Path) -> None:
    embeddings = read_embeddings(written(tmp_path, files))
    assert embeddings.ids == IDS
    assert (embeddings.dimension, embeddings.frames) == (2, False)
    assert all(array.dtype == np.float32 for array in embeddings.arrays)
    np.testing.assert_array_equal(np.stack(embeddings.arrays), POOLED)
    np.testing.assert_array_equal(embeddings.of(["U3", "U1"]), POOLED[[2, 0]])


@pytest.mark.parametrize(
    "files",
    [{"x.npz": npz(**dict(zip(IDS, FRAMES, strict=True)))}, {"x.ark": ark(frames=True)}],
    ids=["npz", "ark"],
)
def test_frames_of_any_number(files: dict[str, bytes], tmp_path: Path) -> None:
    embeddings = read_embeddings(written(tmp_path, files))
    assert (embeddings.ids, embeddings.dimension, embeddings.frames) == (IDS, 2, True)
    for array, expected in zip(embeddings.arrays, FRAMES, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_frames_of_one_number_in_one_array(tmp_path: Path) -> None:
    frames = np.arange(12.0).reshape(3, 2, 2)
    for files in (
        {"x.npz": npz(ids=np.array(IDS), vectors=frames)},
        {"x.npy": npy(frames), "x.ids": b"U1\nU2\nU3\n"},
    ):
        embeddings = read_embeddings(written(tmp_path, files))
        assert embeddings.frames
        np.testing.assert_array_equal(np.stack(embeddings.arrays), frames)


def test_a_header_that_numbers_the_columns_is_no_utterance_and_a_row_of_numbers_is(tmp_path: Path) -> None:
    path = written(tmp_path, {"x.csv": b"id,0,1\nU1,7,8\n"})
    assert read_embeddings(path).ids == ("U1",)
    path = written(tmp_path, {"x.csv": b"U1,0,1\nU2,1,2\n"})
    assert read_embeddings(path).ids == ("U1", "U2")


def test_the_digest_knows_the_ids_of_an_array(tmp_path: Path) -> None:
    path = written(tmp_path, {"x.npy": npy(POOLED), "x.ids": b"U1\nU2\nU3\n"})
    before = read_embeddings(path).sha256
    (tmp_path / "x.ids").write_bytes(b"U1\nU3\nU2\n")
    assert read_embeddings(path).sha256 != before


def test_missing_utterances_are_counted_and_named(tmp_path: Path) -> None:
    embeddings = read_embeddings(written(tmp_path, {"x.csv": csv()}))
    with pytest.raises(GlamError, match=r"has no embedding of 4 of 5 utterances \(U4, U5, U6, \.\.\.\); every"):
        embeddings.of(["U3", "U4", "U5", "U6", "U7"])


def hostile() -> bytes:
    """An array of objects, which only a pickle can hold."""
    return npy(np.array([{}], dtype=object), allow_pickle=True)


NAN = POOLED.copy()
NAN[1, 0] = np.nan


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.h5": b"x"}, r"ends in '\.h5'; embeddings are read from \.npz, \.npy, \.csv, \.ark, \.txt"),
        ({"x.csv": b""}, r"is empty"),
        # numbers
        ({"x.csv": csv(NAN)}, r"line 2: U2 has a number that is not finite"),
        ({"x.npz": npz(ids=np.array(IDS), vectors=NAN)}, r"row 1: U2 has a number that is not finite"),
        ({"x.ark": ark().replace(b"-3.0", b"-inf")}, r"line 2: U2 has a number that is not finite"),
        ({"x.npz": npz(U1=np.array([1e60]))}, r"U1 has a number that is .* beyond float32"),
        ({"x.csv": b"U1,1,2\nU2,3,x\n"}, r"line 2: 'x' is no number"),
        ({"x.csv": b"U1,1,x\nU2,3,4\n"}, r"line 1: 'x' is no number"),
        ({"x.ark": b"U1 [ 1 2 ]\nU2 [ 1 x ]\n"}, r"line 2: 'x' is no number"),
        # shapes
        ({"x.csv": b"U1,1,2\nU2,3\n"}, r"line 2 has 2 cells, expected 3 as above"),
        ({"x.csv": b"U1\nU2\n"}, r"line 1 has 1 cell, expected an id and its numbers"),
        ({"x.csv": b"id,x\n"}, r"has no embedding in it"),
        ({"x.npz": npz(U1=POOLED[0], U2=POOLED[0, :1])}, r"U2 is pooled of dimension 1, and U1 pooled of dimension 2"),
        ({"x.npz": npz(U1=POOLED[0], U2=FRAMES[0])}, r"U2 is frames of dimension 2, and U1 pooled of dimension 2"),
        ({"x.ark": b"U1 [ 1 2 ]\n\nU2 [ 1 ]\n"}, r"line 3: U2 is pooled of dimension 1, and U1 pooled of dimension 2"),
        ({"x.ark": b"U1 [\n 1 2\n 3 ]\n"}, r"line 3 has 1 number, and the first frame of U1 has 2"),
        ({"x.npz": npz(U1=np.zeros((1, 1, 2)))}, r"U1 has shape \(1, 1, 2\) of float64; expected numbers of shape"),
        ({"x.npz": npz(U1=np.array(["a"]))}, r"U1 has shape \(1,\) of <U1; expected numbers"),
        ({"x.ark": b"U1 [ ]\n"}, r"U1 has shape \(0,\)"),
        ({"x.ark": b"U1 [\n]\n"}, r"U1 has shape \(0,\)"),
        ({"x.npz": npz(ids=np.array(IDS), vectors=POOLED[:2])}, r"has 3 ids and an array of shape \(2, 2\)"),
        ({"x.npy": npy(POOLED), "x.ids": b"U1\nU2\n"}, r"has 2 ids and an array of shape \(3, 2\)"),
        ({"x.npy": npy(POOLED[0]), "x.ids": b"U1\nU2\n"}, r"array of shape \(2,\); expected \(2, d\)"),
        # ids
        ({"x.csv": csv() + b"U1,1,1\n"}, r"duplicate id U1: line 1 and line 4"),
        ({"x.csv": b" ,1,2\n"}, r"line 1 has no id"),
        ({"x.ark": ark() + b"U2 [ 1 2 ]\n"}, r"duplicate id U2: line 2 and line 4"),
        ({"x.npz": npz(ids=np.array(["U1", "U1"]), vectors=POOLED[:2])}, r"duplicate id U1: row 0 and row 1"),
        ({"x.npy": npy(POOLED), "x.ids": b"U1\nU2\nU1\n"}, r"duplicate id U1: line 1 of x\.ids and line 3 of x\.ids"),
        ({"x.npy": npy(POOLED), "x.ids": b"U1\n\nU1\n"}, r"line 2 of x\.ids has no id"),
        ({"x.npz": npz(ids=np.arange(3), vectors=POOLED)}, r"ids is int64 of shape \(3,\); expected text"),
        ({"x.npy": npy(POOLED)}, r"needs a file of its ids, one on each line, beside it: x\.ids or x\.txt"),
        # files
        ({"x.npz": b"PK\x03\x04 broken"}, r"cannot be read as NumPy's \.npz, without pickles"),
        ({"x.npz": npz(U1=POOLED)[:-60]}, r"cannot be read as NumPy's \.npz"),
        ({"x.npz": npy(POOLED)}, r"is no \.npz archive; save it with numpy\.savez"),
        ({"x.npy": npz(U1=POOLED), "x.ids": b"U1"}, r"is no array; save it with numpy\.save"),
        ({"x.npy": hostile(), "x.ids": b"U1"}, r"cannot be read as NumPy's \.npy, without pickles"),
        ({"x.npy": pickle.dumps([1.0]), "x.ids": b"U1"}, r"cannot be read as NumPy's \.npy, without pickles"),
        ({"x.npy": npy(POOLED)[:-3], "x.ids": b"U1"}, r"cannot be read as NumPy's \.npy"),
        ({"x.ark": b"U1 \0BFV \x04"}, r"is a binary archive; .* copy-vector .* ark:x\.ark ark,t:x\.txt"),
        ({"x.ark": b"U1 [ 1 2 ]\nU2 [ 1"}, r"ends without a closing bracket after 'U2 \[ 1'"),
        ({"x.ark": b"U1 1 2 ]\n"}, r"line 1 has 'U1 1 2'; expected an id and its numbers"),
        ({"x.ark": b"U1 [ 1 2 ]\nU2 x [ 1 2 ]\n"}, r"line 2 has 'U2 x'; expected an id"),
        ({"x.csv": b"U1,1\nU2,\xff\n"}, r"line 2 is not UTF-8"),
        ({"x.csv": b'U1,"1\n'}, r"line 1 is no CSV"),
    ],
)
def test_what_is_wrong_is_named(files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, files)
    with pytest.raises(GlamError, match=message) as error:
        read_embeddings(path)
    assert str(error.value).startswith(f"{path}: ")


def test_an_archive_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, U1=np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(GlamError, match="without pickles"):
        read_embeddings(written(tmp_path, {"x.npz": buffer.getvalue()}))


class Trap:
    """What, unpickled, fails the test."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("unpickled",)
