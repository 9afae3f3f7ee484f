"""The printed numbers of the GLAM paper, against the text of every source."""

import re
from pathlib import Path

import pytest

from glam.papers.paper import read_paper
from glam.recipe import recipe_names

METRICS = ("wa", "ua", "macro_f1", "weighted_f1")  # the columns that are printed
PAPER = read_paper("glam")

# The text of each source, and how each of its tables begins and ends there.
TEXTS = {
    "paper": "glam-icassp2022.txt",
    "arxiv": "glam-arxiv-with-supplement.txt",
    "readme": "glam-repository-readme.txt",
}
NAMED = {number: (rf"Table {number}\.", r"(?:Table \d\.|EXPERIMENTS|Ablation Study|\Z)") for number in "1234"}
IN_README = {
    "1": ("Comparison of evaluation metrics on three", "Performance of"),
    "2": ("Performance of multi-scale module", "Result of"),
    "3": ("Result of", "Split the dataset"),
    "4": ("Split the dataset", "If you use"),
}
NUMBER = r"\d\d\.\d\d±\d\.\d\d"


def printed_block(text: str, source: str, number: str) -> str | None:
    """A table in a source's text: one space between cells, no markup, `±` without spaces."""
    begin, end = (IN_README if source == "readme" else NAMED)[number]
    block = re.search(rf"{begin}(.*?){end}", text, re.DOTALL)
    if block is None:
        return None
    plain = re.sub(r"</?b>|\*\*|\|", " ", block[1].replace("+/-", "±"))
    return re.sub(r"\s+", " ", re.sub(r"\s*±\s*", "±", plain))


def as_printed(label: str) -> str:
    """A row's label without what the sources print elsewhere: the data set, the sign α."""
    return re.sub(r"^(Improvisation|Script|Full|α =) ", "", label)


def test_every_table_is_complete() -> None:
    tables = PAPER.tables
    assert list(tables) == ["1", "2", "3", "4"]
    models = ("APCNN", "MHCNN", "AACNN", "GLAM")
    by_dataset = [f"{dataset} {model}" for dataset in ("Improvisation", "Script", "Full") for model in models]
    assert list(tables["1"].rows) == list(tables["4"].rows) == by_dataset
    assert list(tables["2"].rows) == ["GLAM", "Multi-scale", "Multi-scale + MHA", "Multi-scale + AA", "MHCNN", "AACNN"]
    assert list(tables["3"].rows) == [f"α = {alpha}" for alpha in ("0", "0.3", "0.5", "0.8", "1", "2", "3")]
    assert sum(len(table.rows) for table in tables.values()) == 37
    for table in tables.values():
        for metric in METRICS:
            assert "readme" in table.sources_of(metric)
            assert "arxiv" in table.sources_of(metric)


def test_what_stands_in_several_tables_is_the_same() -> None:
    tables = PAPER.tables
    for row in ("GLAM", "MHCNN", "AACNN"):
        assert tables["2"].rows[row] == tables["1"].rows[f"Improvisation {row}"]
    half, plain = tables["3"].rows["α = 0.5"], tables["2"].rows["GLAM"]
    assert (half.printed, half.recipe, half.differs) == (plain.printed, plain.recipe, plain.differs)
    assert half.set == plain.set | {"training.alpha": 0.5}


def test_the_sources_disagree_in_one_row_only() -> None:
    tables = PAPER.tables
    different = [(n, label) for n, table in tables.items() for label, row in table.rows.items() if row.differs]
    assert different == [("3", "α = 0")]
    row = tables["3"].rows["α = 0"]
    assert (row.printed["wa"], row.of("paper")["ua"], row.of("readme")["ua"]) == (
        (80.44, 1.55),
        (78.86, 1.65),
        (78.88, 1.66),
    )


def test_weighted_f1_is_what_the_paper_calls_micro_f1() -> None:
    tables = PAPER.tables
    assert tables["1"].names_of("weighted_f1") == tables["4"].names_of("weighted_f1") == ("micro F1",)
    assert set(tables["2"].names_of("weighted_f1")) == {"weighted F1", "micro F1"}
    for table in tables.values():
        for row in table.rows.values():
            assert row.printed["weighted_f1"] != row.printed["wa"], "true micro F1 would be WA"
            assert "micro_f1" not in row.printed


@pytest.mark.parametrize("source", TEXTS)
@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
@pytest.mark.parity
def test_every_number_is_what_the_sources_print(shared: Path, source: str, number: str) -> None:
    block = printed_block((shared / "papers" / TEXTS[source]).read_text(encoding="utf-8"), source, number)
    table = PAPER.tables[number]
    if source not in table.sources:
        assert block is None
        return
    assert block is not None
    columns = table.sources[source]
    wanted = [
        (as_printed(label), str(row.of(source)[metric])) for label, row in table.rows.items() for metric in columns
    ]
    assert re.findall(NUMBER, block) == [value for _, value in wanted], "every number, in the printed order"
    width = len(columns)
    labels = [label for label, _ in wanted[::width]]
    pieces = re.split(rf"(?:{NUMBER} ?){{{width}}}", block)
    for label, piece in zip(labels, pieces, strict=False):
        assert piece.rstrip().endswith(label)
    heading = pieces[0].replace("\\(\\alpha\\)", "")
    assert re.findall(r"WA|UA|\w+[ -]F1", heading) == list(columns.values())


def test_every_row_is_printed_whole_and_is_a_recipe_of_ours_in_both_settings() -> None:
    for table in PAPER.tables.values():
        for row in table.rows.values():
            assert tuple(row.printed) == METRICS
            assert all(cell.std is not None for cell in row.printed.values())
            assert {f"{row.recipe}-{variant}" for variant in PAPER.variants} <= set(recipe_names())
            assert "corpus.where" in row.set
