"""Labels of different corpora that mean the same."""

from glam.corpora.emotions import SAME, class_of_each, common


def test_no_word_means_two_emotions() -> None:
    words = [word for of_one in SAME.values() for word in of_one]
    assert len(words) == len(set(words))
    assert all(common(word) == word for word in SAME)


def test_labels_go_to_the_class_that_is_called_the_same() -> None:
    classes = {"neutral": ("neu",), "sad": ("sad",), "angry": ("ang",), "happy": ("exc",)}
    labels = ["Anger", "happiness", "joy", "excitement", "calm", "boredom", "neutral"]
    assert class_of_each(labels, classes, {}) == {
        "Anger": "angry",
        "happiness": "happy",
        "joy": "happy",
        "excitement": "happy",  # of which the class is made
        "neutral": "neutral",
    }


def test_what_is_given_wins() -> None:
    classes = {"neutral": ("N",), "angry": ("A",)}
    assert class_of_each(["calm", "anger", "neutral"], classes, {"calm": "neutral", "anger": ""}) == {
        "calm": "neutral",
        "neutral": "neutral",
    }


def test_letters_of_one_corpus_mean_nothing_in_another() -> None:
    assert class_of_each(["A", "N"], {"anger": ("W",), "neutral": ("N",)}, {}) == {"N": "neutral"}
