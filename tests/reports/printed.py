"""What stands in the tables of a report in Markdown."""


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.strip().split("|")[1:-1]]


def tables_in(text: str) -> list[list[list[str]]]:
    """The cells of the tables of a text, line by line, headings first."""
    tables: list[list[list[str]]] = []
    before = ""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|-"):
            if not before.startswith("|"):
                tables.append([])
            tables[-1].append(cells(line))
        before = line
    return tables


def rows_in(text: str) -> dict[str, list[str]]:
    """The rows of all tables of a text, by their first cell; of several alike, the last."""
    return {title: rest for table in tables_in(text) for title, *rest in table}
