"""A sentence kept by its key, so that it can be said in any language: `Message`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overfit_atlas.estimates import Json, finite_or_none
from overfit_atlas.words import LANGUAGES, text


@dataclass(frozen=True)
class Message:
    """A sentence as the key of a text and the values that stand in it.

    A value may be a message of its own: a name that each language has its word for.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: str) -> str:
        """The sentence in `language` ("en" or "ja")."""
        return text(self.key, language, **self._said(language))

    def as_json(self) -> Json:
        """Key, values, and the sentence in every language."""
        values = {name: finite_or_none(value) for name, value in self._said(LANGUAGES[0]).items()}
        said = {language: self.text(language) for language in LANGUAGES}
        return {"key": self.key, "values": values, **said}

    def _said(self, language: str) -> dict[str, Any]:
        return {
            name: value.text(language) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
