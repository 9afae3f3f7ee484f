"""The page of a table: what its text says, and each row's experiment once."""

from pathlib import Path

from papers.runs import recipe_of, report_on, store
from reports.page.pages import Seen
from reports.printed import tables_in

from glam.papers.paper import PaperRow
from glam.papers.table_page import complete, page, stored_for
from glam.papers.table_text import markdown
from glam.papers.tables import Row
from glam.reports.page.document import HEADED, html
from glam.splits.runs import seeds


def test_all_that_the_text_says_is_on_the_page(tmp_path: Path) -> None:
    for label, right in (("GLAM", 60), ("Multi-scale", 50)):
        store(tmp_path, recipe_of("2", label), [[right], [right + 3], [right + 1]])
    report = report_on(tmp_path)
    text = html(page(report, "by a test"))
    seen = Seen(text)
    for headings, *rows in tables_in(markdown(report)):
        assert [[headings[0] or "name", *headings[1:]], *rows] in seen.tables
    letters = "".join("".join(seen.text).split())
    for line in markdown(report).splitlines():
        if line.startswith("- "):
            term, colon, rest = line.removeprefix("- ").partition(": ")
            assert "".join((term + rest if len(term) <= HEADED else term + colon + rest).split()) in letters
    assert len(seen.all_of("img")) == 6, "three figures of each row that has runs"


def test_a_table_without_runs_has_a_page(tmp_path: Path) -> None:
    assert "Beside the print" in html(page(report_on(tmp_path), "by a test"))


def test_when_it_is_complete(tmp_path: Path) -> None:
    few = list(seeds()[:2])
    report = report_on(tmp_path)
    assert not complete(report, few)
    labels = [row.row.label for row in report.rows if row.row.recipe is not None]
    for label in labels:
        store(tmp_path, recipe_of("2", label), [[60], [61]])
    report = report_on(tmp_path)
    assert complete(report, few)
    assert not complete(report, list(seeds()[:3]))
    rows = [Row(label, PaperRow(), recipe_of("2", label)) for label in labels]
    assert len(stored_for(rows, tmp_path)) == 2 * len(labels)
    assert len(stored_for(rows[:1], tmp_path)) == 2
