"""A table of a paper as LaTeX: in the shape in which papers print it, with caption and label."""

from glam.evaluation.unknown import Unknown
from glam.foreign import file_name
from glam.papers.among_rows import best
from glam.papers.table_notes import MARK, note_lines, printed_on
from glam.papers.table_text import Grid, Part, corpus_line, has_folds, head_lines, parts
from glam.papers.tables import TableReport, with_runs
from glam.reports.grid import latex_grid, latex_text
from glam.reports.summary import SYNTHETIC
from glam.reports.views import SELECTION


def latex(report: TableReport, bold: bool = False) -> str:
    """The scores as a LaTeX table, and each grid of tests as one; the remarks as comments above them.

    bold: in each group of rows, WA of the one that is better than every other by more than chance; a comment says why
    where there is none.
    """
    marked, why = _best(report) if bold else (set(), [])
    notes = note_lines(report)
    remarks = [r"the preamble needs \usepackage{booktabs}", *head_lines(report), *notes, *why]
    comments = [f"% {' '.join(line.split())}" for line in remarks]
    return "\n".join([*comments, *(_table(report, part, notes, marked) for part in parts(report))]) + "\n"


def label(report: TableReport, part: Part) -> str:
    """What to refer to a table by: `tab:glam-1`, with the setting and the view that are not its own by default."""
    table = report.table
    names = [
        file_name(table.paper.name),
        file_name(table.number),
        file_name(table.variant) if table.variant != next(iter(table.paper.variants), "") else "",
        report.view if report.view != table.printed.view else "",
        part.name,
    ]
    return "tab:" + "-".join(filter(None, names))


def _table(report: TableReport, part: Part, notes: list[str], bold: set[str]) -> str:
    tabulars = "\n\n\\medskip\n".join(_tabular(report, table, bold if not part.name else set()) for table in part.grids)
    shown = "".join(cell for headings, rows in part.grids for row in (headings, *rows) for cell in row)
    signs = [sign for sign in (MARK, "¹", "²") if sign in shown]
    below = [
        rf"\par\smallskip{{\raggedright {latex_text(line)}\par}}" for line in notes if line.startswith(tuple(signs))
    ]
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{latex_text(_caption(report, part))}}}",
        rf"\label{{{label(report, part)}}}",
        tabulars,
        *below,
        r"\end{table*}",
    ]
    return "\n".join(lines)


def _caption(report: TableReport, part: Part) -> str:
    of = f"{report.table.printed.caption}, {report.table.variant} setting".removesuffix(",  setting")
    sentences = [f"{of}: {part.caption}" if part.name else of]
    if report.is_stored and not part.name:
        over = "seeds" if has_folds(report) else "runs"
        sentences += [f"Percent, mean ± standard deviation over {over}; epoch: {SELECTION[report.view]}"]
    if part.name == "elsewhere":
        return sentences[0]
    if report.is_printed and not report.whole:
        corpora = {row.stored.composition.corpus for row in report.rows if row.stored.composition}
        whole = "the whole of " if report.table.paper.printed_on in corpora else ""
        sentences.append(f"NOT on {whole}{printed_on(report)}, which the printed numbers are of")
    return ". ".join(sentences) + (f". {SYNTHETIC}" if corpus_line(report) == SYNTHETIC else "")


def _tabular(report: TableReport, table: Grid, bold: set[str]) -> str:
    """A grid, its rows under the names of their groups if the table has groups."""
    headings, rows = table
    of_rows = [_row_of(report, row[0]) for row in rows]
    marked = {(i, headings.index("WA")) for i, row in enumerate(of_rows) if row in bold and "WA" in headings}
    if not report.table.printed.groups:
        return latex_grid(headings, rows, bold=marked)
    groups = [report.table.printed.group_of(row) for row in of_rows]
    begins = {i for i, group in enumerate(groups) if i and group != groups[i - 1]}
    grouped = [
        [group if not i or i in begins else "", row[0].removeprefix(f"{group} "), *row[1:]]
        for i, (group, row) in enumerate(zip(groups, rows, strict=True))
    ]
    marked = {(i, column + 1) for i, column in marked}
    return latex_grid(["", *headings], grouped, labels=2, rules=begins, bold=marked)


def _row_of(report: TableReport, cell: str) -> str:
    """The label of the row that a cell at the left names, which a metric may follow."""
    labels = [row.row.label for row in report.rows]
    return max((name for name in labels if cell == name or cell.startswith(f"{name}, ")), key=len, default="")


def _best(report: TableReport) -> tuple[set[str], list[str]]:
    """The labels of rows whose WA is set in bold, one a group at most; and why, or why not, a line a group."""
    rows = with_runs(report)
    printed = report.table.printed
    chosen: set[str] = set()
    lines = []
    for group in dict.fromkeys(printed.group_of(row.row.label) for row in report.rows):
        of_group = {name: of for name, of in rows.items() if printed.group_of(name) == group}
        row = best(of_group)
        where = f" of {group}" if group else ""
        if isinstance(row, Unknown):
            lines.append(f"no row{where} in bold, because {row.reason}")
            continue
        chosen.add(row)
        lines.append(
            f"in bold, WA of {row}: better than every other row{where}, paired by the utterances tested, p <= 0.05 "
            "after Holm's adjustment for these rows"
        )
    return chosen, lines
