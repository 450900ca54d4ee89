"""Lines of text that fit: how wide they are, where they may break, and how they are cut."""

import functools
import unicodedata
from collections.abc import Iterator

from matplotlib import font_manager
from matplotlib.ft2font import LoadFlags


def text_inches(content: str, points: float) -> float:
    """The width of one line of text in inches; East Asian letters are square."""
    # Hinting, which depends on the resolution, widens what is drawn by up to 4 %.
    return 1.03 * sum(_ems(letter) for letter in content) * points / 72


@functools.cache
def _ems(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    font.set_size(10, 72)
    return float(font.load_char(ord(letter), LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / 10)


def wrapped(content: str, inches: float, points: float) -> str:
    """`content` broken into lines no wider than `inches`; Japanese may break between letters."""
    lines = [""]
    for piece in _pieces(content):
        if piece == "\n":
            lines.append("")
        elif text_inches((lines[-1] + piece).rstrip(), points) > inches and lines[-1]:
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(content: str) -> Iterator[str]:
    """Smallest parts that stay on one line: words, or letters with the punctuation after them."""
    piece = ""
    for letter in content:
        wide = unicodedata.east_asian_width(letter) in "WF"
        closing = unicodedata.category(letter) in ("Pe", "Po", "Pf") or letter in "ーっゃゅょ"
        opened = unicodedata.category(piece[-1]) == "Ps" if piece else False
        breakable = (wide or piece[-1:] == " ") and not closing and not opened
        if piece and (letter == "\n" or breakable):
            yield piece
            piece = ""
        if letter == "\n":
            yield letter
        else:
            piece += letter
    if piece:
        yield piece


def short(name: object, limit: int = 18) -> str:
    """`name` cut to `limit` letters (East Asian ones count twice), with … where it was cut."""
    kept, used = "", 0
    content = str(name)
    for letter in content:
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > limit:
            return kept[: max(1, len(kept) - 1)].rstrip() + "…"
        kept += letter
    return kept


def fitted(name: object, inches: float, points: float) -> str:
    """`name` cut, with …, to what fits into `inches`."""
    content, limit = str(name), 2 * len(str(name))
    while text_inches(content, points) > inches and limit > 2:
        limit -= 1
        content = short(name, limit)
    return content
