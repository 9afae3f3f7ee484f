"""A table as LaTeX: the numbers of the Markdown, in the paper's shape."""

import re
from pathlib import Path

import pytest
from papers.runs import SETTINGS, recipe_of, report_on, store

from glam.papers.paper import table
from glam.papers.table_latex import latex
from glam.papers.table_text import markdown
from glam.papers.tables import TableReport

SIGNS = {
    r"$\,\pm\,$": "±",
    r"$^\dagger$": "†",
    "$^1$": "¹",
    "$^2$": "²",
    r"$\alpha$": "α",
    r"\ensuremath{<}": "<",
    "$-$": "-",
    "$+$": "+",
    r"\%": "%",
    "~": " ",
}


def everything(runs: Path, number: str = "1") -> TableReport:
    """A report whose rows get better from the first to the last of each group."""
    for i, label in enumerate(table(number).printed.rows):
        store(runs, recipe_of(number, label), [(40 + 8 * (i % 4) + n % 3, 40 + 8 * (i % 4)) for n in range(4)])
    return report_on(runs, number)


def grids(text: str) -> list[list[str]]:
    """The cells of each row of all tabulars, a number together with what follows it; no headings."""
    rows = []
    for columns, body in re.findall(r"begin{tabular}{(.*?)}\n(.*?)\\end{tabular}", text, re.DOTALL):
        kinds = re.findall(r"r@{}l|l|r", columns)
        for line in body.split(r"\midrule", 1)[1].splitlines():
            if not line.endswith(r" \\"):
                continue
            for command, sign in SIGNS.items():
                line = line.replace(command, sign)
            line = re.sub(r"\\multicolumn{2}{c}{(.*?)}", r"\1&", re.sub(r"\\textbf{(.*?)}", r"\1", line))
            cells = re.split(r" ?& ?", line.removesuffix(r" \\"))
            rows.append(["".join(cells.pop(0) for _ in range(1 + (kind == "r@{}l"))).strip() for kind in kinds])
            assert not cells
    return rows


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_numbers_are_those_of_the_markdown(tmp_path: Path, number: str) -> None:
    report = everything(tmp_path, number)
    lines = [line for line in markdown(report).splitlines() if line.startswith("|") and not line.startswith("|--")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    scores = [row for row in shown if row[0] and not row[0].startswith(("WA against", "against the print"))]
    scores = scores[: len(scores) - len(report.rows)]  # the last grid, of the sets, is in the Markdown alone
    printed = report.table.printed
    in_latex = grids(latex(report))
    assert len(in_latex) == len(scores)
    group = ""
    for cells, expected in zip(in_latex, scores, strict=True):
        if printed.groups:
            group = cells[0] or group
            cells = [f"{group} {cells[1]}", *cells[2:]]
        assert cells == expected


def test_rows_stand_in_the_groups_of_the_paper(tmp_path: Path) -> None:
    text = latex(everything(tmp_path))
    body = text.split(r"\midrule", 1)[1].split(r"\bottomrule")[0].strip().splitlines()
    first = [line.split("&")[0].strip() for line in body]
    rule = r"\midrule"
    assert first == ["Improvisation", "", "", "", rule, "Script", "", "", "", rule, "Full", "", "", ""]
    assert [line.split("&")[1].strip() for line in body if "&" in line] == ["APCNN", "MHCNN", "AACNN", "GLAM"] * 3


def test_labels_are_stable_and_differ(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    store(tmp_path, recipe_of("2", "MHCNN"), [(64,), (62,)])

    def labels(report: TableReport) -> list[str]:
        return re.findall(r"\\label{(.*?)}", latex(report))

    parts = ["", "-print", "-first", "-choice"]
    assert labels(report_on(tmp_path)) == [f"tab:glam-2{part}" for part in parts]
    assert labels(report_on(tmp_path, view="last")) == ["tab:glam-2-last", "tab:glam-2-last-first"]
    assert labels(report_on(tmp_path, "2", SETTINGS[1])) == ["tab:glam-2-paper"]
    assert labels(report_on(tmp_path, "mscnn/1", None)) == ["tab:mscnn-1"]


def test_what_a_sign_means_stands_below_the_table_that_has_it(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(40, 60), (42, 61), (41, 61)])
    tables = latex(report_on(tmp_path)).split(r"\end{table*}")
    assert [text.count(r"\raggedright $^\dagger$ the difference is more than chance") for text in tables[:3]] == [
        1,
        1,
        0,
    ]
    assert [text.count(r"\raggedright $^2$ optimism: ") for text in tables[:3]] == [0, 0, 1]


def test_bold_is_wa_of_a_row_that_is_better_than_all_of_its_group(tmp_path: Path) -> None:
    right: dict[str, tuple[int, ...]]
    right = {"Improvisation GLAM": (60, 62, 63, 61), "Improvisation MHCNN": (40, 44, 41, 42)}
    right |= {"Script GLAM": (60, 62, 63, 61), "Script MHCNN": (61, 60, 64, 62), "Full GLAM": (60, 61)}
    for label, counts in right.items():
        store(tmp_path, recipe_of("1", label), [(count,) for count in counts])
    report = report_on(tmp_path, "1")
    text = latex(report, bold=True)
    (line,) = (line for line in text.splitlines() if "textbf" in line)
    assert line.startswith(r" & GLAM & 4 & \textbf{76.88} & \textbf{$\,\pm\,$1.61} & 81.18")
    assert line.count("textbf") == 2
    remarks = [line for line in text.splitlines() if " bold, " in line]
    assert remarks[0].startswith("% in bold, WA of Improvisation GLAM: better than every other row of Improvisation")
    assert remarks[1].startswith("% no row of Script in bold, because Script GLAM is not worse than Script MHCNN")
    assert remarks[2] == "% no row of Full in bold, because fewer than two rows have runs that can be paired"
    assert "bold" not in latex(report)
    assert "textbf" not in latex(report)


@pytest.mark.parametrize(
    ("missing", "change", "sentence"),
    [
        (0, [], "optimistic)}"),
        (1, [], "optimistic). NOT on the whole of IEMOCAP, which the printed numbers are of}"),
        (0, [("corpus.name", "synthetic")], "NOT on IEMOCAP, which the printed numbers are of. SYNTHETIC CORPUS"),
    ],
)
def test_the_caption_says_what_the_numbers_are_of(
    tmp_path: Path, missing: int, change: list[tuple[str, str]], sentence: str
) -> None:
    store(tmp_path, recipe_of("2", "GLAM", "released", *change), [(64,), (60,)], missing=missing)
    caption = next(x for x in latex(report_on(tmp_path, "2", "released", *change)).splitlines() if "caption" in x)
    assert r"Percent, mean $\pm$ standard deviation over runs; epoch: " in caption
    assert sentence in caption
