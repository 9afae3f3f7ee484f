"""Tables as text: Markdown for people, LaTeX for papers."""

from hypothesis import given
from hypothesis import strategies as st
from reports.printed import cells

from glam.evaluation.spread import Interval
from glam.reports.grid import grid, latex_grid, signed_interval

LETTERS = st.characters(codec="ascii", categories=["L", "N"], include_characters=".-+%") | st.just("±")
CELL = st.text(LETTERS, min_size=1, max_size=8)


def test_a_grid_by_hand() -> None:
    text = grid(["", "WA"], [["GLAM", "81.18±1.47"], ["MHCNN", ""]])
    assert text.splitlines() == [
        "|       | WA         |",
        "|-------|------------|",
        "| GLAM  | 81.18±1.47 |",
        "| MHCNN |            |",
    ]


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=2, max_size=5)))
def test_cells_are_written_as_they_are(rows: list[list[str]]) -> None:
    """Not as numbers: `81.10` keeps its last digit, and `1e5` is no 100000."""
    heading, *body = rows
    first, _, *written = grid(heading, body).splitlines()
    assert cells(first) == heading
    assert [cells(line) for line in written] == body
    assert len({len(line) for line in grid(heading, body).splitlines()}) == 1


def test_numbers_keep_their_digits() -> None:
    row = ["81.10", "1e5", "007", "+0.00", "-"]
    assert cells(grid(["a", "b", "c", "d", "e"], [row]).splitlines()[2]) == row


def test_a_grid_without_rows_has_its_headings() -> None:
    assert cells(grid(["label", "known"], []).splitlines()[0]) == ["label", "known"]


def test_latex_rules_are_those_of_booktabs_and_commands_are_escaped() -> None:
    text = latex_grid(["", "WA_1"], [["50 % & more", "81.10±1.00"]])
    lines = text.splitlines()
    assert lines[0].startswith(r"\begin{tabular}")
    assert lines[-1] == r"\end{tabular}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"WA\_1" in text
    assert r"50 \% \& more" in text
    assert r"81.10 & $\,\pm\,$1.00" in text


def test_numbers_stand_in_line_in_latex() -> None:
    rows = [
        ["first", "7", "-1.50†", "-2.00 to +0.50", "< 0.0001", "9.00"],
        ["second", "no runs yet", "", "none", "0.0300", ""],
    ]
    text = latex_grid(["", "runs", "diff.", "interval", "p", "10 ms"], rows, rules={1}, bold={(0, 5)})
    lines = text.splitlines()
    assert lines[0] == r"\begin{tabular}{lrr@{}lr@{}lrr}"
    assert lines[2] == r" & runs & \multicolumn{2}{c}{diff.} & \multicolumn{2}{c}{interval} & p & 10 ms \\"
    assert lines[4] == (
        r"first & 7 & $-$1.50 & $^\dagger$ & $-$2.00 & ~to $+$0.50 & \ensuremath{<} 0.0001 & \textbf{9.00} \\"
    )
    assert lines[5] == r"\midrule"
    assert lines[6] == r"second & no runs yet & & & \multicolumn{2}{c}{none} & 0.0300 &  \\"


def test_a_difference_of_percentages_is_no_more_than_a_hundred_points() -> None:
    assert signed_interval(Interval(-1.5, 2.25)) == "-1.50 to +2.25"
    assert signed_interval(Interval(-236.0, 193.0)) == "-100.00 to +100.00"
