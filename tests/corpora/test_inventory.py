"""What a corpus was found to hold, for a person to read."""

from pathlib import Path

import pytest
from corpora.releases import Load

from glam.corpora.iemocap import KNOWN_COUNTS
from glam.corpora.inventory import inventory


class TestInventory:
    INDEX = Path("data/index.csv")

    def test_counts_beside_the_known_ones(self, release: Path, load: Load) -> None:
        text = inventory(load(release), self.INDEX)
        rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}
        assert rows["neu"] == ["1", "1099", "0", "609", "1", "1708"]
        assert rows["fea"] == ["1", "-", "0", "-", "1", "-"]
        assert "WARNING" in text
        assert "improvised neu: found 1, known 1099" in text
        assert "1.8 s (the released setting): 1 of 10 utterances, 1 of them neu" in text
        assert "2.0 s (the paper's): 10 of 10 utterances, 5 of them neu" in text
        assert text.endswith("index: data/index.csv")

    @pytest.mark.parametrize("name", ["iemocap", "synthetic"])
    def test_a_synthetic_corpus_is_called_so_and_compared_with_nothing(
        self, release: Path, load: Load, name: str
    ) -> None:
        (release / "SYNTHETIC.txt").write_text("made by a program\n")
        corpus = load(release, name=name)
        assert corpus.synthetic
        text = inventory(corpus, self.INDEX)
        assert text.startswith("SYNTHETIC corpus, not IEMOCAP")
        assert "known" not in text
        assert "WARNING" not in text

    def test_long_lists_end_early(self, release: Path, load: Load) -> None:
        for number in range(25):
            (release / f"Session1/sentences/wav/note{number:02}.txt").write_text("x")
        text = inventory(load(release), self.INDEX)
        assert "problem: stray file: 25" in text
        assert text.count("note0") == 10
        assert "... and 15 more, all in data/index.json" in text

    def test_known_counts_are_those_of_the_reference(self) -> None:
        assert sum(KNOWN_COUNTS["improvised"].values()) == 2943
        assert sum(KNOWN_COUNTS["scripted"].values()) == 2588
