"""A sentence kept by its key, so that it can be said in any language: `Message`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overfit_atlas.estimates import Json, finite_or_none
from overfit_atlas.words import LANGUAGES, text


@dataclass(frozen=True)
class Message:
    """A sentence as the key of a text and the values that stand in it."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: str) -> str:
        """The sentence in `language` ("en" or "ja")."""
        return text(self.key, language, **self.values)

    def as_json(self) -> Json:
        """Key, values, and the sentence in every language."""
        values = {name: finite_or_none(value) for name, value in self.values.items()}
        said = {language: self.text(language) for language in LANGUAGES}
        return {"key": self.key, "values": values, **said}
