"""Every sentence, label and axis title people read, by key, in each language.

One YAML file a section and a folder a language: `en/figure.yaml` holds the keys `figure.*`.
Nested keys are joined by dots. Placeholders are those of `str.format`: `{gap:.2f}`.
"""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.params import read_yaml

LANGUAGES = ("en", "ja")
FOLDER = Path(__file__).parent


class TextError(LookupError):
    """A text is missing or cannot be filled in: a defect of the tables or of the call."""


def text(key: str, language: str, **values: Any) -> str:
    """The text `key` ("figure.axis.epoch") in `language`, its placeholders filled with `values`.

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
        return texts[key].format(**values)
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
    for path in sorted((FOLDER / language).glob("*.yaml")):
        texts.update(_flat(path.stem, read_yaml(path) or {}))
    return MappingProxyType(texts)


def sections() -> list[str]:
    """The names of the sections, which are those of the files of the first language."""
    return sorted(path.stem for path in (FOLDER / LANGUAGES[0]).glob("*.yaml"))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TextError(f"text key {prefix}.{key} is read as a {type(key).__name__}.")
            yield from _flat(f"{prefix}.{key}", inner)
    elif isinstance(value, str):
        yield prefix, value
    else:
        kind = type(value).__name__
        raise TextError(f"text {prefix!r} is a {kind}; put it in quotes: texts are strings.")
