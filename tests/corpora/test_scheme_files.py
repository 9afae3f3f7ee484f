"""Corpora whose files are named by a scheme: each scheme on made files, and the traps of each."""

from pathlib import Path

import pytest
import soundfile
from corpora.recordings import record

from glam.corpora import load_corpus
from glam.corpora.scheme import scheme_names
from glam.corpora.utterances import Corpus, Utterance
from glam.errors import GlamError

# corpus -> a path in it: id, label, speaker, and some of its groups
EXAMPLES: dict[str, tuple[str, str, str, str, dict[str, str]]] = {
    "emodb": ("wav/03a01Wa.wav", "03a01Wa", "anger", "03", {"gender": "male", "text": "a01", "autrainer": "train"}),
    "ravdess": (
        "Actor_02/03-01-06-02-02-01-02.wav",
        "03-01-06-02-02-01-02",
        "fear",
        "02",
        {"gender": "female", "intensity": "strong", "emobox": "5", "audb": "train"},
    ),
    "crema-d": (
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "1001_DFA_ANG_XX",
        "anger",
        "1001",
        {"text": "DFA", "intensity": "unspecified", "emo-superb": "1"},
    ),
    "tess": ("OAF_Pleasant_surprise/OAF_back_ps.wav", "OAF_back_surprise", "surprise", "OAF", {"age": "64"}),
    "savee": ("AudioData/DC/sa01.wav", "DC_sa01", "sadness", "DC", {}),
    "emovo": ("f1/gio-f1-b1.wav", "gio-f1-b1", "happiness", "f1", {"gender": "female", "text": "b1"}),
    "nemo": ("samples/EB0_surprised_1.wav", "EB0_surprised_1", "surprise", "EB0", {}),
    "urdu": ("Angry/SM1_F19_A019.wav", "SM1_F19_A019", "anger", "SM1", {"gender": "male"}),
    "aesdd": ("anger/a03 (3).wav", "a03 (3)", "anger", "3", {"text": "03"}),
    "emov-db": (
        "jenie_Amused/amused_1-28_0011.wav",
        "jenie_amused_0011",
        "amused",
        "jenie",
        {"gender": "female", "text": "0011"},
    ),
    "esd": (
        "0011/Angry/evaluation/0011_000351.wav",
        "0011_000351",
        "anger",
        "0011",
        {"part": "dev", "language": "English", "emobox": "1"},
    ),
    "cafe": ("CaFE_48k/Col\u0160re/Fort/12-C-2-5.wav", "12-C-2-5", "anger", "12", {"gender": "female", "emobox": "2"}),
    "jl": (
        "Raw JL corpus (unchecked)/JL(wav+txt)/female1_angry_10a_1.wav",
        "female1_angry_10a_1",
        "anger",
        "female1",
        {"gender": "female", "text": "10a"},
    ),
    "subesco": (
        "F_02_MONIKA_S_1_ANGRY_5.wav",
        "F_02_MONIKA_S_1_ANGRY_5",
        "anger",
        "F02",
        {"gender": "female", "emobox": "5"},
    ),
    "shemo": ("male/M36S02.wav", "M36S02", "sadness", "M36", {"gender": "male"}),
    "casia": ("wangzhe/neutral/239.wav", "wangzhe_neutral_239", "neutral", "wangzhe", {"text": "239"}),
    "enterface": (
        "subject 3/anger/sentence 1/s_3_an_1.wav",
        "3_anger_1",
        "anger",
        "3",
        {"text": "anger-1"},
    ),
}
WITH_TABLES = {"meld", "msp-improv", "msp-podcast"}  # below


def load(name: str, root: Path, tmp_path: Path, label_set: str = "") -> Corpus:
    return load_corpus(name, root, tmp_path / "index", label_set=label_set)


def kinds(corpus: Corpus) -> list[tuple[str, str]]:
    return [(problem.kind, problem.subject) for problem in corpus.problems]


def by_id(corpus: Corpus) -> dict[str, Utterance]:
    return {utterance.id: utterance for utterance in corpus.utterances}


def test_every_scheme_is_tried_here() -> None:
    assert set(scheme_names()) == set(EXAMPLES) | WITH_TABLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file_of_each_corpus(name: str, tmp_path: Path) -> None:
    path, utterance_id, label, speaker, groups = EXAMPLES[name]
    (utterance,) = load(name, record(tmp_path / name, [path]), tmp_path).utterances
    assert (utterance.id, utterance.label, utterance.speaker) == (utterance_id, label, speaker)
    assert utterance.audio == path
    assert groups.items() <= utterance.groups.items()


def test_ravdess_twice_in_one_tree_other_modalities_and_foreign_actors(tmp_path: Path) -> None:
    name = "Actor_01/03-01-01-01-01-01-01.wav"
    root = record(tmp_path / "r", [name, "copy/" + name, "Actor_01/01-01-01-01-01-01-01.wav"])
    record(root, ["Actor_25/03-01-07-01-01-01-25.wav", "Actor_01/._03-01-01-01-01-01-01.wav"])
    corpus = load("ravdess", root, tmp_path)
    assert [utterance.audio for utterance in corpus.utterances] == [name]
    assert kinds(corpus) == [
        ("duplicate audio", "03-01-01-01-01-01-01"),
        ("stray file", "Actor_01/01-01-01-01-01-01-01.wav"),
        ("unknown gender", "03-01-07-01-01-01-25"),
    ]
    assert "1 hidden file (._*) ignored" in corpus.notes


def test_songs_are_a_group(tmp_path: Path) -> None:
    corpus = load("ravdess", record(tmp_path / "r", ["Actor_01/03-02-01-01-01-01-01.wav"]), tmp_path)
    assert corpus.utterances[0].group("channel") == "song"


def test_emodb_knows_its_versions(tmp_path: Path) -> None:
    first = load("emodb", record(tmp_path / "1", ["wav/03a01Wa.wav"]), tmp_path)
    assert first.release == "version 1, INCOMPLETE: 1 of 535 utterances"
    root = record(tmp_path / "2", [f"wav/03a{i:02d}L{take}xx.wav" for i in range(20) for take in "abcdef"])
    second = load("emodb", root, tmp_path / "other")
    assert second.release == "version 2, INCOMPLETE: 120 of 816 utterances"  # version 1 has 81 of boredom
    assert {utterance.group("agreement") for utterance in second.utterances} == {"below 80 %"}


def test_emodb_as_it_is(shared: Path, tmp_path: Path) -> None:
    corpus = load("emodb", shared / "corpora" / "emodb", tmp_path)
    assert (len(corpus.utterances), corpus.release, corpus.problems) == (535, "version 1, complete", ())


def test_two_actors_of_ravdess_as_they_are(shared: Path, tmp_path: Path) -> None:
    corpus = load("ravdess", shared / "corpora" / "ravdess", tmp_path)
    assert corpus.release == "speech, INCOMPLETE: 120 of 1440 utterances"
    assert {utterance.rate for utterance in corpus.utterances} == {48_000}
    assert corpus.problems == ()


SUMMARY = """"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"
"1","1001_IEO_ANG_HI","N","50","A","60","A","70"
"2","1001_IEO_SAD_X","S","50","S","60","S:N","70"
"3","1001_IEO_FEA_HI","F","50","F","60","F","70"
"""


def test_crema_d_has_three_label_sets(tmp_path: Path) -> None:
    root = record(tmp_path / "c", ["AudioWAV/1001_IEO_ANG_HI.wav", "AudioWAV/1001_IEO_SAD_X.wav"])
    (root / "processedResults").mkdir()
    (root / "processedResults" / "summaryTable.csv").write_text(SUMMARY)
    (root / "VideoDemographics.csv").write_text("ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,No\n")
    intended = load("crema-d", root, tmp_path)
    assert [utterance.label for utterance in intended.utterances] == ["anger", "sadness"]
    assert intended.utterances[0].groups["gender"] == "male"
    assert any("1 row of processedResults/summaryTable.csv about no recording" in note for note in intended.notes)
    heard = load("crema-d", root, tmp_path, "voice")
    assert [utterance.label for utterance in heard.utterances] == ["neutral", "sadness"]
    seen = load("crema-d", root, tmp_path, "audiovisual")
    assert [utterance.label for utterance in seen.utterances] == ["anger"]
    assert kinds(seen) == [("no label", "1001_IEO_SAD_X")]
    with pytest.raises(GlamError, match=r"no label set 'face'; it has intended, voice, audiovisual"):
        load("crema-d", root, tmp_path, "face")


def test_crema_d_without_its_tables_pointers_and_silence(tmp_path: Path) -> None:
    root = record(tmp_path / "c", ["AudioWAV/1001_IEO_ANG_HI.wav"])
    soundfile.write(root / "AudioWAV" / "1076_MTI_SAD_XX.wav", [0.0] * 1600, 16_000)
    (root / "AudioWAV" / "1001_IEO_DIS_HI.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    corpus = load("crema-d", root, tmp_path)
    assert len(corpus.utterances) == 1
    assert kinds(corpus) == [("silent audio", "1076_MTI_SAD_XX"), ("unreadable audio", "1001_IEO_DIS_HI")]
    assert "git lfs pull" in corpus.problems[1].detail
    assert any("summaryTable.csv: voice, audiovisual not known" in note for note in corpus.notes)
    with pytest.raises(GlamError, match="no usable utterance"):
        load("crema-d", root, tmp_path, "voice")


def test_tess_as_some_copies_spell_it(tmp_path: Path) -> None:
    paths = ["OAF_angry/OA_bite_neutral.wav", "OAF_angry/OAF_bite_angry.wav", "YAF_x/YAF_bite_pleasant_surprised.wav"]
    corpus = load("tess", record(tmp_path / "t", paths), tmp_path)
    assert {(utterance.speaker, utterance.label) for utterance in corpus.utterances} == {
        ("OAF", "neutral"),
        ("OAF", "anger"),
        ("YAF", "surprise"),
    }


def test_savee_two_letters_come_before_one(tmp_path: Path) -> None:
    corpus = load("savee", record(tmp_path / "s", ["DC_sa01.wav", "DC_su01.wav", "DC_a01.wav"]), tmp_path)
    assert [utterance.label for utterance in corpus.utterances] == ["anger", "sadness", "surprise"]


def test_nemo_takes_what_its_padded_table_says(tmp_path: Path) -> None:
    root = record(tmp_path / "n", ["samples/EB0_anger_1.wav"])
    heading = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    (root / "data.tsv").write_text(
        heading + "EB0_anger_1.wav\tanger\tAle \u017cart!\tale \u017cart\tEB0        \tfemale\t24\n", encoding="utf-8"
    )
    (utterance,) = load("nemo", root, tmp_path).utterances
    assert (utterance.speaker, utterance.words) == ("EB0", "Ale \u017cart!")
    assert utterance.groups == {"gender": "female", "age": "24", "text": "ale \u017cart"}


def test_aesdd_writes_its_actors_in_two_ways_and_has_second_takes(tmp_path: Path) -> None:
    paths = ["anger/a03 (1).wav", "fear/f01 (01).wav", "sadness/s05 (3)b.wav"]
    corpus = load("aesdd", record(tmp_path / "a", paths), tmp_path)
    assert [utterance.speaker for utterance in corpus.utterances] == ["1", "1", "3"]


def test_emov_db_spells_in_many_ways(tmp_path: Path) -> None:
    paths = [
        "bea_Disgusted/Disgust_1-28_0001.wav",
        "sam_Neutral/neutral_1_28_0001.wav",
        "sam_sleepy/sleepy_1-28_0001.wav",
    ]
    corpus = load("emov-db", record(tmp_path / "e", paths), tmp_path)
    assert [utterance.label for utterance in corpus.utterances] == ["disgust", "neutral", "sleepiness"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb2312"])
def test_esd_has_texts_in_many_encodings(encoding: str, tmp_path: Path) -> None:
    root = record(tmp_path / "e", ["0001/Angry/0001_000351.wav", "0001/Sad/0001_001051.wav"])
    lines = (
        "0001_000351\t\u6253\u8fdc\u4e00\u70b9\t\u751f\u6c14\r\n0001_001051\t\u6253\u8fdc\u4e00\u70b9\t\u4f24\u5fc3\r\n"
    )
    (root / "0001" / "0001.txt").write_bytes(lines.encode(encoding))
    corpus = load("esd", root, tmp_path)
    assert [utterance.label for utterance in corpus.utterances] == ["anger", "sadness"]
    assert {utterance.group("text") for utterance in corpus.utterances} == {"\u6253\u8fdc\u4e00\u70b9"}


def test_subesco_has_a_bracket_in_one_name(tmp_path: Path) -> None:
    (utterance,) = load("subesco", record(tmp_path / "s", ["F_01_OISHI_S_10_ANGRY_3].wav"]), tmp_path).utterances
    assert (utterance.speaker, utterance.label) == ("F01", "anger")


def test_shemo_has_its_words_beside(tmp_path: Path) -> None:
    root = record(tmp_path / "s", ["female/F01A01.wav"])
    (root / "female" / "F01A01.ort").write_text("\u0633\u0644\u0627\u0645\n", encoding="utf-8-sig")
    assert load("shemo", root, tmp_path).utterances[0].words == "\u0633\u0644\u0627\u0645"


def test_casia_repeats_its_names_in_every_folder(tmp_path: Path) -> None:
    corpus = load("casia", record(tmp_path / "c", ["wangzhe/sad/201.wav", "wangzhe/angry/201.wav"]), tmp_path)
    assert len({utterance.id for utterance in corpus.utterances}) == 2
    assert {utterance.group("text") for utterance in corpus.utterances} == {"201"}


def test_enterface_leaves_out_the_long_files_of_subject_six(tmp_path: Path) -> None:
    root = record(tmp_path / "e", ["subject 1/fear/sentence 2/s1_fe_2.wav", "subject 6/anger/subject 6.wav"])
    corpus = load("enterface", root, tmp_path)
    assert [utterance.speaker for utterance in corpus.utterances] == ["1"]
    assert kinds(corpus) == [("stray file", "subject 6/anger/subject 6.wav")]


def test_meld_repeats_its_ids_in_every_part(tmp_path: Path) -> None:
    root = record(
        tmp_path / "m",
        [
            "train_splits/dia0_utt0.wav",
            "dev_splits_complete/dia0_utt0.wav",
            "output_repeated_splits_test/dia0_utt0.wav",
        ],
    )
    record(root, ["train_splits/final_videos_testdia1_utt1.wav"])
    (root / "train_splits" / "dia0_utt1.mp4").write_bytes(b"no video")
    heading = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
    rows = {"train": "1,I\x92m fine,Joey,joy,positive,0,0\n2,No,Ross,anger,negative,0,1\n", "dev": "1,Oh,Chandler,"}
    rows = {**rows, "dev": "1,Oh,Ross,sadness,negative,0,0\n2,Gone,Ross,fear,negative,110,7\n"}
    rows["test"] = "1,What?,Joey,surprise,positive,0,0\n"
    for part, lines in rows.items():
        (root / f"{part}_sent_emo.csv").write_bytes(
            (heading + lines).encode("cp1252" if "\x92" not in lines else "latin-1")
        )
    corpus = load("meld", root, tmp_path)
    assert {name: (u.label, u.speaker, u.group("part")) for name, u in by_id(corpus).items()} == {
        "train_dia0_utt0": ("happiness", "Joey", "train"),
        "dev_dia0_utt0": ("sadness", "Ross", "dev"),
        "test_dia0_utt0": ("surprise", "Joey", "test"),
    }
    assert by_id(corpus)["train_dia0_utt0"].words == "I\u2019m fine"
    assert kinds(corpus) == [
        ("no audio", "dev/110/7"),
        ("stray file", "train_splits/final_videos_testdia1_utt1.wav"),
        ("unreadable audio", "train_dia0_utt1"),
    ]


EVALUATION = """UTD-IMPROV-S01A-F01-P-FM01.avi; A; A:3.600000; V:1.800000 ; D:4.000000 ; N:4.6;
F001; Angry; A:4.000000; V:2.0; D:4.0; N:4.0;
UTD-IMPROV-S01A-F01-R-FM01.avi; X; A:NaN; V:1.800000 ; D:4.000000 ; N:4.6;
UTD-IMPROV-S02N-M01-S-FM01.avi; H; A:1.0; V:1.8 ; D:4.0 ; N:4.6;
"""


def test_msp_improv_tells_perceived_from_intended(tmp_path: Path) -> None:
    names = ["S01A-F01-P-FM01", "S01A-F01-R-FM01"]
    root = record(tmp_path / "m", [f"session1/S01A/P/MSP-IMPROV-{name}.wav" for name in names])
    (root / "Evaluation.txt").write_text(EVALUATION)
    perceived = load("msp-improv", root, tmp_path)
    (utterance,) = perceived.utterances
    assert (utterance.label, utterance.speaker, utterance.group("session")) == ("anger", "F01", "01")
    assert utterance.ratings == {"arousal": 3.6, "valence": 1.8, "dominance": 4.0}
    assert kinds(perceived) == [
        ("no audio", "msp-improv-s02n-m01-s-fm01"),
        ("no label", "MSP-IMPROV-S01A-F01-R-FM01"),
    ]
    assert len(load("msp-improv", root, tmp_path, "intended").utterances) == 2


@pytest.mark.parametrize("spelling", ["consensus", "concensus"])
def test_msp_podcast_in_both_spellings(spelling: str, tmp_path: Path) -> None:
    names = [f"MSP-PODCAST_0001_{i:04d}.wav" for i in range(4)]
    root = record(tmp_path / "m", [f"Audios/{name}" for name in names])
    (root / "Labels").mkdir()
    rows = [("A", "1", "Male", "Train"), ("X", "2", "Male", "Train"), ("H", "Unknown", "Unknown", "Validation")]
    lines = [
        f"{name},{label},3.1,2.0,4.0,{who},{sex},{part}"
        for name, (label, who, sex, part) in zip(names, rows, strict=False)
    ]
    text = "\n".join(["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set", *lines])
    (root / "Labels" / f"labels_{spelling}.csv").write_text(text)
    corpus = load("msp-podcast", root, tmp_path)
    assert [(u.label, u.speaker, u.groups) for u in corpus.utterances] == [
        ("anger", "1", {"gender": "male", "part": "train"}),
        ("happiness", "", {"part": "dev"}),
    ]
    assert kinds(corpus) == [("no label", "MSP-PODCAST_0001_0001"), ("no label", "MSP-PODCAST_0001_0003")]


def test_a_table_that_tells_the_labels_must_be_there(tmp_path: Path) -> None:
    root = record(tmp_path / "m", ["Audios/MSP-PODCAST_0001_0001.wav"])
    with pytest.raises(GlamError, match=r"labels_consensus.csv or .*, which tells the labels"):
        load("msp-podcast", root, tmp_path)


def test_another_corpus_is_not_taken_for_it(tmp_path: Path) -> None:
    root = record(tmp_path / "r", ["Actor_01/03-01-01-01-01-01-01.wav"])
    with pytest.raises(GlamError, match=r"no file there has a name of .*EmoDB.*1 \.wav; the first is Actor_01/03-01"):
        load("emodb", root, tmp_path)
    with pytest.raises(GlamError, match="holds no recording at any depth"):
        load("emodb", _empty(tmp_path), tmp_path)
    with pytest.raises(GlamError, match="there is no such folder"):
        load("emodb", tmp_path / "nowhere", tmp_path)


def _empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_a_link_that_leads_back_is_not_followed_for_ever(tmp_path: Path) -> None:
    root = record(tmp_path / "e", ["wav/03a01Wa.wav"])
    (root / "wav" / "back").symlink_to(root)
    assert len(load("emodb", root, tmp_path).utterances) == 1
