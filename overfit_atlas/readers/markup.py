"""Tables in HTML, as notebooks show them (Hugging Face's Trainer, fastai, pandas)."""

from html.parser import HTMLParser

MAX_ROWS, MAX_TEXT = 20_000, 500_000


class _Cells(HTMLParser):
    """The rows of each table, each a list of the texts of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._cell: list[str] | None = None
        self._rows = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables and self._rows < MAX_ROWS:
            self._rows += 1
            self.tables[-1].append([])
        elif tag in {"td", "th"} and self.tables and self.tables[-1]:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th", "tr"} and self._cell is not None:
            self.tables[-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def tables(html: str) -> list[str]:
    """Each table in `html` as text, a line a row and a tab between cells."""
    if "<table" not in html.lower():
        return []
    parser = _Cells()
    parser.feed(html[:MAX_TEXT])
    return ["\n".join("\t".join(row) for row in rows if row) for rows in parser.tables]
