"""Papers as data: ours, one of somebody's own, and every mistake in its file named with file and field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from glam.errors import GlamError
from glam.papers.paper import Printed, Table, metrics_of, paper_names, papers_folder, read_paper, recipe_of, table

OWN: dict[str, Any] = {
    "paper": "Mine",
    "title": "A paper of my own",
    "sources": {"print": "the printed version", "web": "the web page"},
    "printed_on": "emodb",
    "seeds": 10,
    "metrics": ["wa", "pure_accuracy"],
    "tables": {
        1: {
            "caption": "Everything",
            "view": "last",
            "runs": 5,
            "sources": {"print": {"wa": "Acc.", "pure_accuracy": "PA"}, "web": {"wa": "accuracy"}},
            "notes": ["of my own"],
            "rows": {
                "GLAM": {
                    "recipe": "glam-paper",
                    "set": {"training.alpha": 0.3},
                    "printed": {"wa": "81.18 ± 1.47", "pure_accuracy": 70.5},
                    "differs": {"web": {"wa": 81.2}},
                    "note": "trained by somebody else",
                },
                "theirs": {"printed": {"wa": 75}, "elsewhere": {"RAVDESS": "64.10 ± 2.00"}},
            },
        },
        "B": {"caption": "Nothing but ours", "metrics": ["ua"], "rows": {"MHCNN": {"recipe": "mhcnn-released"}}},
    },
}


def write(path: Path, content: object) -> str:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return str(path)


def changed(place: str, value: object) -> dict[str, Any]:
    """The paper above with another value at a place such as `tables/1/caption`."""
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(OWN))
    *above, last = place.split("/")
    inner: Any = content
    for name in above:
        inner = inner[int(name) if name.isdigit() else name]
    inner[int(last) if last.isdigit() else last] = value
    return content


def test_papers_of_the_package_are_read_the_first_one_first() -> None:
    assert paper_names()[0] == "glam"
    assert set(paper_names()) == {path.stem for path in papers_folder().glob("*.yaml")}
    for name in paper_names():
        paper = read_paper(name)
        assert paper.name == name
        assert paper.tables
        assert paper.folder == papers_folder()


def test_a_number_alone_is_a_table_of_the_first_paper() -> None:
    asked = table("3")
    assert asked == table("glam/3") == table("3", "released")
    assert (asked.title, asked.stem) == ("Table 3", "table3-released")
    assert table("3", "paper").stem == "table3-paper"
    assert asked.metrics == asked.paper.metrics == ("wa", "ua", "macro_f1", "weighted_f1", "micro_f1")


def test_a_paper_of_ones_own_lies_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", OWN)
    asked = table(f"{path}/1")
    assert asked.paper.name == "mine"
    assert (asked.number, asked.variant) == ("1", "")
    assert (asked.title, asked.stem) == ("Table 1 of Mine", "mine-table1")
    assert asked.metrics == ("wa", "pure_accuracy")
    assert asked.printed.view == "last"
    assert table(f"{path}/B").metrics == ("ua",)
    assert asked.paper.printed_on == "emodb"
    recipe = recipe_of(asked, asked.printed.rows["GLAM"], [("training.epochs", 2)])
    assert (recipe.name, recipe.training.alpha, recipe.training.epochs) == ("glam-paper", 0.3, 2)
    assert asked.printed.rows["theirs"].recipe is None
    assert asked.printed.elsewhere == ("RAVDESS",)
    assert asked.printed.rows["theirs"].elsewhere == {"RAVDESS": Printed(64.1, 2.0)}


def test_recipes_and_metrics_of_ones_own_lie_beside_the_paper(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("extends: glam-paper\ntraining: {epochs: 7}\n")
    (tmp_path / "mine.py").write_text("def kappa(scored):\n    return 42\n")
    content = changed(
        "tables/B", {"caption": "own", "metrics": ["mine.py:kappa"], "rows": {"x": {"recipe": "net.yaml"}}}
    )
    asked = table(f"{write(tmp_path / 'mine.yaml', content)}/B")
    assert recipe_of(asked, asked.printed.rows["x"]).training.epochs == 7
    (metric,) = metrics_of(asked)
    assert (metric.name, metric.title) == ("mine.py:kappa", "kappa")


def test_with_variants_recipes_are_called_after_them(tmp_path: Path) -> None:
    content = changed("variants", {"released": "as released", "paper": "as printed"})
    content["tables"][1]["rows"]["GLAM"]["recipe"] = "glam"
    path = write(tmp_path / "mine.yaml", content)
    assert table(f"{path}/1").variant == "released"
    row = table(f"{path}/1").printed.rows["GLAM"]
    assert recipe_of(table(f"{path}/1"), row).name == "glam-released"
    assert recipe_of(table(f"{path}/1", "paper"), row).name == "glam-paper"


def test_the_standard_deviation_is_optional(tmp_path: Path) -> None:
    row = read_paper(write(tmp_path / "mine.yaml", OWN)).tables["1"].rows["GLAM"]
    assert row.printed == {"wa": Printed(81.18, 1.47), "pure_accuracy": Printed(70.5, None)}
    assert [str(cell) for cell in row.printed.values()] == ["81.18±1.47", "70.50"]
    assert row.of("print") == row.printed
    assert row.of("web") == {"wa": Printed(81.2), "pure_accuracy": Printed(70.5)}
    columns = read_paper(write(tmp_path / "mine.yaml", OWN)).tables["1"]
    assert columns.sources_of("wa") == ("print", "web")
    assert columns.names_of("wa") == ("Acc.", "accuracy")
    assert columns.sources_of("pure_accuracy") == ("print",)


def test_rows_stand_in_groups_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", changed("tables/1/groups", {"Ours": 1, "Others": 1}))
    printed = read_paper(path).tables["1"]
    assert [printed.group_of(label) for label in ("GLAM", "theirs", "added")] == ["Ours", "Others", ""]
    assert read_paper(path).tables["B"].group_of("MHCNN") == ""
    path = write(tmp_path / "other.yaml", changed("tables/1/groups", {"Ours": 1}))
    with pytest.raises(GlamError, match=r"other\.yaml: tables\.1: groups: they are of 1 row, and the table has 2"):
        read_paper(path)


@pytest.mark.parametrize(
    "number", ["70.73±2.57", "70.73 +- 2.57", "70.73", "about 70", "± 1", True, None, [70.7, 2.5], float("nan")]
)
def test_a_number_in_another_form_is_refused(tmp_path: Path, number: object) -> None:
    path = write(tmp_path / "mine.yaml", changed("tables/1/rows/GLAM/printed/wa", number))
    with pytest.raises(
        GlamError, match=r"mine\.yaml: tables\.1\.rows\.GLAM\.printed\.wa: found .* form 70\.73 ± 2\.57"
    ):
        read_paper(path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("title", None, r"title: Input should be a valid string"),
        ("papers", "x", r"papers: Extra inputs are not permitted"),
        ("seeds", 0, r"seeds: Input should be greater than or equal to 1"),
        ("seeds", 101, r"seeds: Input should be less than or equal to 100"),
        ("seeds", True, r"seeds: given true, which is no value of this field"),
        ("sources", ["print"], r"sources: Input should be a valid dictionary"),
        ("metrics", [], r"metrics: Tuple should have at least 1 item"),
        ("metrics", ["wa", "wb"], r"metrics: there is no metric 'wb'; there are wa, ua, "),
        ("tables", [], r"tables: Input should be a valid dictionary"),
        ("tables/1/caption", 7, r"tables\.1\.caption: Input should be a valid string"),
        ("tables/1/view", "best", r"tables\.1\.view: Input should be 'test', 'halves', 'validation' or 'last'"),
        ("tables/1/runs", "many", r"tables\.1\.runs: Input should be a valid integer"),
        ("tables/1/rows", {}, r"tables\.1\.rows: Dictionary should have at least 1 item"),
        ("tables/1/metrics", ["f1"], r"tables\.1\.metrics: there is no metric 'f1'"),
        ("tables/1/sources", {"blog": {"wa": "A"}}, r"tables\.1\.sources: there is no source 'blog'; .* print, web"),
        ("tables/1/sources/web", {"acc": "A"}, r"tables\.1\.sources\.web: there is no metric 'acc'"),
        ("tables/1/rows/GLAM", "81.18", r"tables\.1\.rows\.GLAM: Input should be a valid dictionary"),
        ("tables/1/rows/GLAM/recipes", "x", r"tables\.1\.rows\.GLAM\.recipes: Extra inputs are not permitted"),
        ("tables/1/rows/GLAM/printed/acc", 70, r"tables\.1\.rows\.GLAM\.printed: there is no metric 'acc'"),
        ("tables/1/rows/GLAM/differs/blog", {"wa": 70}, r"tables\.1\.rows\.GLAM\.differs: there is no source 'blog'"),
        (
            "tables/1/rows/GLAM/differs/web",
            {"acc": 70},
            r"tables\.1\.rows\.GLAM\.differs\.web: there is no metric 'acc'",
        ),
        ("tables/1/rows/GLAM/differs/web", {"wa": "x"}, r"tables\.1\.rows\.GLAM\.differs\.web\.wa: found 'x'"),
        (
            "tables/1/rows/theirs/set",
            {"training.lr": 1},
            r"tables\.1\.rows\.theirs: set: changes a recipe, and the row",
        ),
        ("own", "glam", r"own: no row has the recipe 'glam'; they have glam-paper, mhcnn-released"),
        ("tables/1/rows/theirs/elsewhere/RAVDESS", "?", r"tables\.1\.rows\.theirs\.elsewhere\.RAVDESS: found '\?'"),
    ],
)
def test_a_mistake_is_named_with_file_and_field(tmp_path: Path, place: str, value: object, message: str) -> None:
    path = write(tmp_path / "mine.yaml", changed(place, value))
    with pytest.raises(GlamError, match=rf"^{path}: {message}") as refusal:
        read_paper(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("missing", ["paper", "title", "tables"])
def test_what_every_paper_has_is_asked_for(tmp_path: Path, missing: str) -> None:
    path = write(tmp_path / "mine.yaml", {name: value for name, value in OWN.items() if name != missing})
    with pytest.raises(GlamError, match=rf"^{path}: {missing}: Field required"):
        read_paper(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[1, 2]", b"words", b"paper: {", b"\xff\xfe", b"paper: !!python/name:os.system x", b"[" * 5000],
    ids=["empty", "a list", "words", "half", "not UTF-8", "code", "deep"],
)
def test_a_file_that_is_no_paper_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(GlamError, match=rf"^{path}: ") as refusal:
        read_paper(str(path))
    assert "\n" not in str(refusal.value)


def test_what_there_is_not_is_answered_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"there is no paper 'glamm'; there are glam, .*give a \.yaml file's path"):
        table("glamm/1")
    with pytest.raises(
        GlamError, match=r"there is no table '5'; the tables of glam are glam/1, glam/2, glam/3, glam/4"
    ):
        table("5")
    (tmp_path / "ours.yaml").write_text("{paper: A, title: B, metrics: [wa], tables: {1: {caption: C, rows: {D: {}}}}}")
    with pytest.raises(GlamError, match=r"ours\.yaml is a paper: name one of its tables, .*/ours\.yaml/1$"):
        table(str(tmp_path / "ours.yaml"))
    with pytest.raises(GlamError, match=r"--setting best: no setting of the tables of glam; there are released, paper"):
        table("2", "best")
    path = write(tmp_path / "mine.yaml", OWN)
    with pytest.raises(GlamError, match="--setting released: no setting of the tables of mine; it has none"):
        table(f"{path}/1", "released")
    with pytest.raises(GlamError, match=r"mine\.yaml/2'; the tables of mine are mine/1, mine/B"):
        table(f"{path}/2")
    with pytest.raises(GlamError, match=r"none\.yaml: there is no such paper file"):
        table(f"{tmp_path / 'none.yaml'}/1")


def test_the_recipe_of_a_row_is_checked_like_any_other(tmp_path: Path) -> None:
    def asked(row: dict[str, Any]) -> Table:
        content = changed("tables/B/rows", {"x": row})
        path = tmp_path / f"mine{len(list(tmp_path.iterdir()))}.yaml"
        return table(f"{write(path, content)}/B")

    wrong = asked({"recipe": "glam-printed"})
    with pytest.raises(GlamError, match=r"mine0\.yaml: tables\.B\.rows\.x: there is no recipe 'glam-printed'"):
        recipe_of(wrong, wrong.printed.rows["x"])
    wrong = asked({"recipe": "glam-paper", "set": {"training.epoch": 3}})
    with pytest.raises(
        GlamError, match=r"mine1\.yaml: tables\.B\.rows\.x: .*there is no field training\.epoch\. Did you mean 'epochs'"
    ):
        recipe_of(wrong, wrong.printed.rows["x"], [("training.alpha", 0)])
    right = asked({"recipe": "glam-paper"})
    with pytest.raises(GlamError, match=r"^glam-paper\.yaml with training\.epoch"):  # of the command line
        recipe_of(right, right.printed.rows["x"], [("training.epoch", 3)])
