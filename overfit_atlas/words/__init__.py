"""Every sentence of a judgement, by key, in each language: `text`; kept by key: `message`.

One TOML file a section and a folder a language: `en/verdict.toml` holds the keys `verdict.*`.
Nested keys are joined by dots. Placeholders are those of `str.format`: `{gap:.2f}`.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "ja")
FOLDER = Path(__file__).parent


class TextError(LookupError):
    """A text is missing or cannot be filled in: a defect of the tables or of the call."""


class Probability(float):
    """A probability, 0..1, that is written as certain in neither direction: as >99% or <1%."""

    def __format__(self, form: str) -> str:
        said = super().__format__(form)
        certain = {f"{1:{form}}": f">{0.99:{form}}", f"{0:{form}}": f"<{0.01:{form}}"}
        return certain.get(said, said)


def text(key: str, language: str, **values: Any) -> str:
    """The text `key` ("verdict.name.overfit") in `language`, its placeholders filled in.

    Values that the text does not mention are ignored.

    Raises:
        TextError: unknown language or key, or a placeholder without a value.
    """
    texts = table(language)
    if key not in texts:
        near = difflib.get_close_matches(key, texts, n=3)
        known = f"Near: {', '.join(near)}." if near else f"Sections: {', '.join(sections())}."
        raise TextError(f"no text {key=} in {language=}. {known}")
    try:
        return texts[key].format(**values).rstrip()  # where a last part is empty
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        got = ", ".join(sorted(values)) or "nothing"
        raise TextError(
            f"text {key=} ({language}) cannot be filled: {texts[key]!r} got {got} ({error!r})."
        ) from error


@cache
def table(language: str) -> Mapping[str, str]:
    """All texts of one language by dotted key, read once.

    Raises:
        TextError: unknown language, or a value in a table that is not a string.
    """
    if language not in LANGUAGES:
        raise TextError(f"no texts in {language=}. Languages: {', '.join(LANGUAGES)}.")
    texts: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.toml")):
        texts.update(_flat(path.stem, tomllib.loads(path.read_text(encoding="utf-8"))))
    return MappingProxyType(texts)


def sections() -> list[str]:
    """The names of the sections, which are those of the files of the first language."""
    return sorted(path.stem for path in (FOLDER / LANGUAGES[0]).glob("*.toml"))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}", inner)
    elif isinstance(value, str):
        yield prefix, value
    else:
        kind = type(value).__name__
        raise TextError(f"text {prefix!r} is a {kind}; put it in quotes: texts are strings.")
