"""Recordings a piece at a time: what read_audio gives, to the bit."""

import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

from glam.corpora import stream as module
from glam.corpora.audio import AudioError, read_audio
from glam.corpora.stream import stream


def write(path: Path, seconds: float = 2.0, rate: int = 16000, channels: int = 1) -> Path:
    sound = 0.1 * np.random.default_rng(0).standard_normal((int(seconds * rate), channels))
    soundfile.write(path, sound, rate)
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 1)])
def test_in_pieces_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rate: int, channels: int
) -> None:
    path = write(tmp_path / name, rate=rate, channels=channels)
    (whole,) = stream(path)
    np.testing.assert_array_equal(whole, read_audio(path))
    (last,) = stream(path, channels)
    assert np.array_equal(last, whole) == (channels == 1)
    monkeypatch.setattr(module, "WHOLE", 0)
    monkeypatch.setattr(module, "PIECE", 7001)
    pieces = list(stream(path))
    assert len(pieces) > 3
    assert all(piece.dtype == np.float32 for piece in pieces)
    exact = 1e-6 if path.suffix == ".mp3" else 0  # whose decoder rounds otherwise where reading stops within a frame
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=0, atol=exact)
    np.testing.assert_allclose(np.concatenate(list(stream(path, channels))), last, rtol=0, atol=exact)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty"),
        (b"RIFFnothing", r"is not readable as audio"),
        (b"\xff\xfb" * 5000, r"Format not recognised; ffmpeg was not asked: it is not installed"),
    ],
)
def test_what_is_no_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bool, content: bytes, message: str
) -> None:
    monkeypatch.setattr(module, "WHOLE", 0 if long else module.WHOLE)
    monkeypatch.setenv("PATH", "")  # no ffmpeg
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=message):
        list(stream(tmp_path / "a.wav"))


@pytest.mark.parametrize("long", [False, True])
def test_what_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bool) -> None:
    monkeypatch.setattr(module, "WHOLE", 0 if long else module.WHOLE)
    path = write(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(AudioError, match=r"is truncated: 32000 frames promised, 31500 there"):
        list(stream(path))
    for name, value in (("nan", np.nan), ("loud", 300.0)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(100, value, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        list(stream(tmp_path / "nan.wav"))
    with pytest.raises(AudioError, match="samples up to 300"):
        list(stream(tmp_path / "loud.wav"))
    cancelling = np.full((100, 2), 300.0, np.float32) * (1, -1)
    soundfile.write(tmp_path / "cancelling.wav", cancelling, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="samples up to 300"):
        list(stream(tmp_path / "cancelling.wav"))
    (tmp_path / "a.raw").write_bytes(bytes(1000))
    with pytest.raises(AudioError, match="is not readable as audio"):
        list(stream(tmp_path / "a.raw"))
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 1000)
    with pytest.raises(AudioError, match="a rate of 1000 Hz"):
        list(stream(tmp_path / "slow.wav"))


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "absent.wav", "cannot be read"), (tmp_path, "is no file")):
        with pytest.raises(AudioError, match=message):
            list(stream(path))


FFMPEG = """#!{python}
import sys
from array import array
from pathlib import Path
given = sys.argv[sys.argv.index("-i") + 1].removeprefix("file:")
assert sys.argv[sys.argv.index("-protocol_whitelist") + 1] == "file"
content = Path(given).read_bytes()
if content == b"bad":
    sys.exit("file:" + given + ": cannot decode it")
samples = content[4:]
if "-af" in sys.argv:
    name, channel, layout = sys.argv[sys.argv.index("-af") + 1].replace("=", ":").split(":")
    assert (name, layout) == ("channelmap", "mono")
    if int(channel) >= content[0]:
        sys.exit("[channelmap] input channel #9 not available from input layout 'stereo'\\nNothing was written")
    samples = array("f", samples)[int(channel) :: content[0]].tobytes()
sys.stdout.buffer.write(samples)
"""


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called ffmpeg that gives what stands behind the first four bytes of a file, the first its channels."""
    import sys

    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FFMPEG.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))


def test_ffmpeg_is_asked_where_libsndfile_knows_nothing(tmp_path: Path, ffmpeg: None) -> None:
    samples = np.linspace(-1, 1, 40000, dtype=np.float32)
    (tmp_path / "a.m4a").write_bytes(b"\x00\x01\x02\x03" + samples.tobytes())
    (piece,) = stream(tmp_path / "a.m4a")
    np.testing.assert_array_equal(piece, samples)
    assert piece.flags.writeable, "torch warns otherwise"
    (tmp_path / "b.m4a").write_bytes(b"bad")
    with pytest.raises(AudioError, match=r"b\.m4a: is not readable as audio: ffmpeg: cannot decode it"):
        list(stream(tmp_path / "b.m4a"))
    (tmp_path / "c.m4a").write_bytes(b"\x00\x01\x02\x03")
    with pytest.raises(AudioError, match="has no samples"):
        list(stream(tmp_path / "c.m4a"))


def test_of_what_ffmpeg_decodes_one_channel_is_heard_and_none_that_is_not_there(tmp_path: Path, ffmpeg: None) -> None:
    call = np.linspace(-1, 1, 4000, dtype=np.float32).reshape(-1, 2)
    (tmp_path / "a.m4a").write_bytes(b"\x02\x00\x00\x00" + call.tobytes())
    for channel in (1, 2):
        (piece,) = stream(tmp_path / "a.m4a", channel)
        np.testing.assert_array_equal(piece, call[:, channel - 1])
    with pytest.raises(AudioError, match=r"a\.m4a: has no channel 3$"):
        list(stream(tmp_path / "a.m4a", 3))


def test_whoever_stops_early_leaves_no_process(tmp_path: Path, ffmpeg: None) -> None:
    (tmp_path / "a.m4a").write_bytes(bytes(4 * (2 * module.PIECE + 1)))
    pieces = stream(tmp_path / "a.m4a")
    assert len(next(pieces)) == module.PIECE
    pieces.close()  # type: ignore[attr-defined]
