"""Reports folded for a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from glam.cli.folding import folded
from glam.reports.grid import grid

CELLS = st.text("abc ±|0", max_size=12).map(str.strip)


def test_long_lines_are_broken_between_words() -> None:
    text = "protocol: " + "word " * 30 + "\n| a row of a table | " + "x" * 90 + " |\nshort"
    lines = folded(text, 80).split("\n")
    assert all(len(line) <= 80 for line in lines if not line.startswith("|"))
    assert lines[1].startswith("  word")
    assert lines[-2] == "| a row of a table | " + "x" * 90 + " |"
    assert lines[-1] == "short"


def test_a_wide_table_becomes_several_with_the_first_column_each() -> None:
    text = grid(["row", "WA", "UA", "F1"], [["GLAM", "81.18", "79.25", "79.87"], ["MHCNN", "76.09", "73.90", "74.11"]])
    assert folded(text, len(text.split("\n")[0])) == text
    assert folded("before\n" + text + "\nafter", 26) == "\n".join(
        [
            "before",
            "| row   | WA    | UA    |",
            "|-------|-------|-------|",
            "| GLAM  | 81.18 | 79.25 |",
            "| MHCNN | 76.09 | 73.90 |",
            "",
            "| row   | F1    |",
            "|-------|-------|",
            "| GLAM  | 79.87 |",
            "| MHCNN | 74.11 |",
            "after",
        ]
    )


@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=2, max_size=4), st.integers(20, 60))
def test_no_cell_is_lost_and_parts_fit(rows: list[list[str]], width: int) -> None:
    headings, *rows = rows
    text = grid(headings, rows)
    lines = folded(text, width).split("\n")
    widest = max(len(cell) for row in [headings, *rows] for cell in row)
    assert all(len(line) <= max(width, 2 * widest + 12) for line in lines)
    for number in range(len(rows)):
        parts = [line for line in lines if line.startswith("|")][number + 2 :: len(rows) + 2]
        shown = "".join(parts)
        assert all(cell in shown for cell in rows[number])
