"""Releases as they lie about: original, renamed in place, damaged; nothing is dropped without a word."""

import csv
import os
import shutil
from pathlib import Path

import pytest
from corpora.releases import CODES, TURNS, Load, audio_of, kinds, labels_of, make_release, renamed, words_of

from glam.corpora.iemocap_release import find_release, restore_id, speaker_of
from glam.corpora.utterances import corpus_digest
from glam.errors import GlamError


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("Ses01F_impro01_F000", "Ses01F"),
        ("Ses01F_impro01_M000", "Ses01M"),  # the first field names the dialogue
        ("Ses03M_script03_2_F032", "Ses03F"),
        ("Ses04F_impro05a_M001", "Ses04M"),  # dialogue names differ in length: no character stands at a fixed place
        ("Ses05M_script01_1b_F012", "Ses05F"),
        ("Ses05M_script01_1b_M021", "Ses05M"),
        ("Ses05F_script02_2_MXX3", "Ses05M"),
    ],
)
def test_the_speaker_is_the_sessions_and_the_suffixs(name: str, speaker: str) -> None:
    assert speaker_of(name) == speaker


def test_speakers_of_iemocap(shared: Path) -> None:
    with (shared / "corpora" / "iemocap-index.csv").open(encoding="utf-8", newline="") as file:
        names = [row["utterance"] for row in csv.DictReader(file)]
    assert len(names) == 5531
    assert {speaker_of(name) for name in names} == {f"Ses0{n}{letter}" for n in range(1, 6) for letter in "FM"}
    assert sum(name[:6] != speaker_of(name) for name in names) == 2750, (
        "the first field would be wrong for half of them"
    )
    by_place = [name[15] if "impro" in name else name[18] for name in names]
    trips = [name for name, letter in zip(names, by_place, strict=True) if letter not in "FM"]
    assert any(name.startswith("Ses05M_script01_1b_") for name in trips)


def test_everything_an_utterance_is(release: Path, load: Load) -> None:
    corpus = load(release)
    assert not corpus.problems
    assert not corpus.notes
    assert not corpus.renamed
    assert not corpus.synthetic
    assert [utterance.id for utterance in corpus.utterances] == sorted(
        f"{dialogue}_{turn}" for dialogue, turns in TURNS.items() for turn, _ in turns
    )
    of_id = {utterance.id: utterance for utterance in corpus.utterances}
    utterance = of_id["Ses03M_script03_2_F032"]
    assert (utterance.label, utterance.speaker, utterance.group("speaker")) == ("sad", "Ses03F", "Ses03F")
    assert utterance.groups == {
        "session": "Ses03",
        "dialogue": "Ses03M_script03_2",
        "scenario": "script03_2",
        "style": "scripted",
        "gender": "female",
    }
    assert {name: of.speaker for name, of in of_id.items() if of.group("session") in ("Ses01", "Ses05")} == {
        "Ses01F_impro01_F000": "Ses01F",
        "Ses01F_impro01_M000": "Ses01M",
        "Ses05M_script01_1b_M000": "Ses05M",
        "Ses05M_script01_1b_M001": "Ses05M",
    }
    assert {name: of.group("gender") for name, of in of_id.items() if of.group("session") == "Ses01"} == {
        "Ses01F_impro01_F000": "female",
        "Ses01F_impro01_M000": "male",
    }
    assert utterance.ratings == {"valence": 2.5, "arousal": 3.0, "dominance": 3.5}
    assert utterance.votes == ("E2:Neutral", "E3:Neutral; Other")
    assert utterance.words == "Words: of F032."
    assert utterance.audio == "Session3/sentences/wav/Ses03M_script03_2/Ses03M_script03_2_F032.wav"
    assert (utterance.start, utterance.end) == (0, 0)  # the whole of its recording
    assert utterance.samples == 28_799 + 4
    assert utterance.size == (release / utterance.audio).stat().st_size
    scenarios = {utterance.group("scenario"): utterance.group("style") for utterance in corpus.utterances}
    assert scenarios["impro05a"] == "improvised"
    assert scenarios["script01_1b"] == "scripted"


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("Ses01F_impro01_F000", ("Ses01F_impro01_F000", None)),
        ("Ses01F-impro01-01-01-F000", ("Ses01F_impro01_F000", "01")),
        ("Ses03M-script03-04-01-2_F032", ("Ses03M_script03_2_F032", "04")),
        ("Ses03M-script03-XX-01-2_F032", ("Ses03M_script03_2_F032", "XX")),
        ("Ses05M-script01-02-01-1b_M000", ("Ses05M_script01_1b_M000", "02")),
        ("Ses04F-impro05a-05-01-F000", ("Ses04F_impro05a_F000", "05")),
        ("Ses04F-impro05a-05-02-F000", None),
        ("Ses03M-script03-04-01-F032", None),
        ("Ses01F_impro01", None),
        ("notes", None),
        ("", None),
    ],
)
def test_restored_ids(stem: str, expected: tuple[str, str | None] | None) -> None:
    assert restore_id(stem) == expected


@pytest.mark.parametrize("every", [1, 2])
def test_a_renamed_release_is_the_same_corpus(release: Path, load: Load, every: int) -> None:
    original = load(release)
    count = 0
    for number, utterance in enumerate(original.utterances):
        if utterance.label in CODES and number % every == 0:  # the script leaves other labels as they are
            path = release / utterance.audio
            path.rename(renamed(path, utterance.label))
            count += 1
    again = load(release)
    assert again.renamed
    assert again.notes == (
        f"{count} audio files named as the released handleIEMOCAP.py names them; the ids are "
        "restored, the files stay as they are",
    )
    assert not again.problems
    assert corpus_digest(again.utterances) == corpus_digest(original.utterances)
    skip = {"audio"}
    for before, after in zip(original.utterances, again.utterances, strict=True):
        for name in set(before.__slots__) - skip:
            assert getattr(before, name) == getattr(after, name)


def test_a_file_name_that_contradicts_its_label(release: Path, load: Load) -> None:
    path = audio_of(release, "Ses01F_impro01", "F000")
    path.rename(renamed(path, "ang"))
    corpus = load(release)
    assert kinds(corpus) == [("renamed otherwise", "Ses01F_impro01_F000")]
    assert "says ang" in corpus.problems[0].detail
    assert corpus.utterances[0].label == "neu"


def test_an_original_beside_its_renamed_copy(release: Path, load: Load) -> None:
    path = audio_of(release, "Ses01F_impro01", "F000")
    shutil.copy(path, renamed(path, "neu"))
    corpus = load(release)
    assert kinds(corpus) == [("duplicate audio", "Ses01F_impro01_F000")]
    assert corpus.utterances[0].audio.endswith("/Ses01F_impro01_F000.wav")
    assert not corpus.renamed


def test_style_comes_from_the_dialogue_not_from_the_path(tmp_path: Path, load: Load) -> None:
    root = make_release(tmp_path / "script impro käse")
    link = tmp_path / "link to impro"
    link.symlink_to(root)
    styles = {utterance.group("dialogue"): utterance.group("style") for utterance in load(link).utterances}
    assert styles["Ses01F_impro01"] == "improvised"
    assert styles["Ses02M_script01_1"] == "scripted"


def test_linked_folders_are_followed(release: Path, tmp_path: Path, load: Load) -> None:
    (release / "Session1").rename(tmp_path / "elsewhere")
    (release / "Session1").symlink_to(tmp_path / "elsewhere")
    dialogue = audio_of(release, "Ses02M_script01_1", "F000").parent
    dialogue.rename(tmp_path / "wavs")
    dialogue.symlink_to(tmp_path / "wavs")
    assert len(load(release).utterances) == 10


class TestRoot:
    def test_the_folder_above(self, release: Path) -> None:
        assert find_release(release.parent) == release == find_release(release)

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(GlamError, match=r"none does not exist; expected the folder .* Session1"):
            find_release(tmp_path / "none")

    def test_an_archive(self, tmp_path: Path) -> None:
        (tmp_path / "IEMOCAP.tar.gz").write_bytes(b"x")
        with pytest.raises(GlamError, match=r"is a file.*unpack"):
            find_release(tmp_path / "IEMOCAP.tar.gz")

    def test_one_session(self, release: Path) -> None:
        with pytest.raises(GlamError, match=f"single session.*{release}"):
            find_release(release / "Session2")

    def test_something_else(self, tmp_path: Path) -> None:
        for name in "abcdefghij":
            (tmp_path / name).mkdir()
        with pytest.raises(GlamError, match=r"no session in it.*found: a, b, c, d, e, f, g, h and 2 more"):
            find_release(tmp_path)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(GlamError, match="found: no folder"):
            find_release(tmp_path)

    def test_two_releases(self, release: Path) -> None:
        make_release(release.parent / "copy")
        with pytest.raises(GlamError, match=r"several releases in it \(IEMOCAP_full_release, copy\)"):
            find_release(release.parent)

    def test_unknown_corpus(self, release: Path, load: Load) -> None:
        with pytest.raises(GlamError, match=r"no corpus 'imocap'\..* iemocap, synthetic"):
            load(release, name="imocap")


def damage_hidden(release: Path) -> None:
    for path in (labels_of(release, "Ses01F_impro01"), audio_of(release, "Ses01F_impro01", "F000")):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\xff")
    (release / "Session1/sentences/wav/.DS_Store").write_bytes(b"x")


def test_hidden_files_are_counted(release: Path, load: Load) -> None:
    damage_hidden(release)
    corpus = load(release)
    assert not corpus.problems
    assert corpus.notes == ("3 hidden files (._*, .DS_Store) ignored",)
    assert len(corpus.utterances) == 10


def test_the_raters_folders_are_part_of_the_release(release: Path, load: Load) -> None:
    for name in ("Attribute", "Categorical", "Self-evaluation"):
        raters = labels_of(release, "Ses01F_impro01").parent / name
        raters.mkdir()
        (raters / "Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F000 :Sadness; ()\n")
    assert not load(release).problems


def test_stray_files_are_listed(release: Path, load: Load) -> None:
    wavs = audio_of(release, "Ses01F_impro01", "F000").parent
    (wavs / "Thumbs.db").write_bytes(b"x")
    (wavs / "copy of something.wav").write_bytes(b"x")
    (wavs / "deeper").mkdir()
    (labels_of(release, "Ses01F_impro01").parent / "README.txt").write_text("hello\n")
    corpus = load(release)
    assert kinds(corpus) == [
        ("stray file", "Session1/dialog/EmoEvaluation/README.txt"),
        ("stray file", "Session1/sentences/wav/Ses01F_impro01/Thumbs.db"),
        ("stray file", "Session1/sentences/wav/Ses01F_impro01/copy of something.wav"),
        ("stray file", "Session1/sentences/wav/Ses01F_impro01/deeper"),
    ]
    assert len(corpus.utterances) == 10


def test_audio_without_label_and_label_without_audio(release: Path, load: Load) -> None:
    audio = audio_of(release, "Ses01F_impro01", "F000")
    audio.rename(audio.with_name("Ses01F_impro01_F001.wav"))
    corpus = load(release)
    assert kinds(corpus) == [("no audio", "Ses01F_impro01_F000"), ("no label", "Ses01F_impro01_F001")]
    assert "neu in Session1/dialog/EmoEvaluation/Ses01F_impro01.txt line 3" in corpus.problems[0].detail


def test_line_ends_and_byte_order_mark(release: Path, load: Load) -> None:
    before = load(release)
    for ends, path in ((b"\r\n", labels_of), (b"\r", words_of)):
        for dialogue in TURNS:
            text = path(release, dialogue)
            text.write_bytes(b"\xef\xbb\xbf" + text.read_bytes().replace(b"\n", ends))
    assert load(release) == before


def test_bytes_that_are_not_utf_8(release: Path, load: Load) -> None:
    words = words_of(release, "Ses01F_impro01")
    words.write_bytes(words.read_bytes().replace(b"of F000.", b"caf\xe9\x85 here"))
    corpus = load(release)
    assert kinds(corpus) == [("not UTF-8", "Session1/dialog/transcriptions/Ses01F_impro01.txt")]
    assert "line 1 is not UTF-8" in corpus.problems[0].detail
    assert corpus.utterances[0].words == "Words: café\x85 here"


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        (
            "[6.2901 8.2357]\tSes01F_impro01_F000\tneu\t[1, 2, 3]",
            "unreadable label",
            "expected [start - end]",
        ),
        ("[1.0 - 2.0]\tSes01F_impro01_F000", "unreadable label", "expected [start - end]"),
        (f"[1.{'x' * 70}]\tSes01F_impro01_F000", "unreadable label", "; about Ses01F_impro01_F000"),
        ("[1.0 - 2.0]\tSes01F_impro01_F000\tglad\t[1, 2, 3]", "unreadable label", "is none of neu hap"),
        ("Ses01F_impro01_F000 neu", "unreadable label", "expected [start - end]"),
    ],
)
def test_malformed_label_lines(release: Path, load: Load, line: str, kind: str, message: str) -> None:
    labels = labels_of(release, "Ses01F_impro01")
    good = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 3.0000, 3.5000]"
    assert good in labels.read_text()
    labels.write_text(labels.read_text().replace(good, line))
    corpus = load(release)
    problems = [problem for problem in corpus.problems if message in problem.detail]
    assert [problem.kind for problem in problems] == [kind]
    assert {kind for kind, _ in kinds(corpus)} == {kind}  # its audio is not reported once more
    assert "Ses01F_impro01_F000" in problems[0].subject + problems[0].detail
    assert len(corpus.utterances) == 9


def test_ratings_that_cannot_be_read_cost_only_the_ratings(release: Path, load: Load) -> None:
    labels = labels_of(release, "Ses01F_impro01")
    labels.write_text(labels.read_text().replace("[2.5000, 3.0000, 3.5000]", "[2.5, nan]"))
    corpus = load(release)
    assert kinds(corpus) == [
        ("unreadable ratings", "Ses01F_impro01_F000"),
        ("unreadable ratings", "Ses01F_impro01_M000"),
    ]
    assert corpus.utterances[0].ratings == {}
    assert corpus.utterances[0].votes == ("E2:Neutral", "E3:Neutral; Other")


def test_of_three_ratings_those_that_can_be_read_are_kept(release: Path, load: Load) -> None:
    labels = labels_of(release, "Ses01F_impro01")
    labels.write_text(labels.read_text().replace("[2.5000, 3.0000, 3.5000]", "[2.5, nan, 3.5]"))
    corpus = load(release)
    assert kinds(corpus)[0] == ("unreadable ratings", "Ses01F_impro01_F000")
    assert corpus.utterances[0].ratings == {"valence": 2.5, "dominance": 3.5}


def test_repeated_and_contradicting_labels(release: Path, load: Load) -> None:
    with labels_of(release, "Ses01F_impro01").open("a") as file:
        file.write("[1.0 - 2.0]\tSes01F_impro01_F000\tneu\t[1, 2, 3]\nC-E4:\tAnger;\t()\n")
        file.write("[1.0 - 2.0]\tSes01F_impro01_M000\tsad\t[1, 2, 3]\n")
    corpus = load(release)
    assert kinds(corpus) == [
        ("conflicting labels", "Ses01F_impro01_M000"),
        ("duplicate label", "Ses01F_impro01_F000"),
    ]
    assert corpus.utterances[0].votes == ("E2:Neutral", "E3:Neutral; Other")
    assert len(corpus.utterances) == 9


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "empty file"), (b"\n\n", "unreadable label"), (os.urandom(3000), "unreadable label")],
)
def test_label_files_that_are_none(release: Path, load: Load, content: bytes, kind: str) -> None:
    labels_of(release, "Ses01F_impro01").write_bytes(content)
    corpus = load(release)
    assert kind in {kind for kind, _ in kinds(corpus)}
    assert ("no label", "Ses01F_impro01_F000") in kinds(corpus)
    assert len(corpus.utterances) == 8


def test_a_vote_that_belongs_to_nothing(release: Path, load: Load) -> None:
    labels = labels_of(release, "Ses01F_impro01")
    labels.write_text("C-E1:\tNeutral;\t()\n" + labels.read_text())
    assert "a vote before any label" in load(release).problems[0].detail


def test_words(release: Path, load: Load) -> None:
    words_of(release, "Ses01F_impro01").unlink()
    with words_of(release, "Ses02M_script01_1").open("a") as file:
        file.write("M: Okay.\nSes02M_script01_1_FXX0 [001.0-002.0]: (LAUGHTER)\n")
        file.write("Ses02M_script01_1_F000 [001.0-002.0]: Other words\n")
    words_of(release, "Ses03M_script03_2").write_bytes(b"")
    corpus = load(release)
    assert kinds(corpus) == [
        ("duplicate words", "Ses02M_script01_1_F000"),
        ("empty file", "Session3/dialog/transcriptions/Ses03M_script03_2.txt"),
        ("no words", "Ses01F_impro01"),
        ("no words", "Ses03M_script03_2"),
    ]
    assert corpus.problems[2].detail.startswith("2 utterances without a line in")
    assert corpus.notes == ("2 lines of the transcriptions are about no labelled utterance",)
    assert [utterance.words for utterance in corpus.utterances[:3]] == ["", "", "Words: of F000."]


def test_missing_sessions_and_folders(release: Path, load: Load) -> None:
    shutil.rmtree(release / "Session2")
    shutil.rmtree(release / "Session3/dialog/transcriptions")
    shutil.rmtree(release / "Session4/sentences")
    shutil.rmtree(release / "Session5/dialog/EmoEvaluation")
    corpus = load(release)
    problems = kinds(corpus)
    assert ("missing session", "Session2") in problems
    for missing in (
        "Session3/dialog/transcriptions",
        "Session4/sentences/wav",
        "Session5/dialog/EmoEvaluation",
    ):
        assert ("missing folder", missing) in problems
    assert ("no words", "Ses03M_script03_2") in problems
    assert [subject for kind, subject in problems if kind == "no audio"] == [
        "Ses04F_impro05a_F000",
        "Ses04F_impro05a_F001",
    ]
    assert len([kind for kind, _ in problems if kind == "no label"]) == 2
    assert len(corpus.utterances) == 4


def test_every_sixth_recording_in_both_layouts(shared: Path) -> None:
    """The ids of the paper's corpus, the scripted ones included, survive the released renaming."""
    lines = (shared / "corpora/iemocap-index.csv").read_text().splitlines()[1:]
    for line in lines[::6]:
        name, label, _ = line.split(",")
        assert restore_id(name) == (name, None)
        assert restore_id(renamed(Path(f"{name}.wav"), label).stem) == (name, CODES[label])
