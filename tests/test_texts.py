"""The text tables: complete in every language, with the same placeholders, clear when wrong."""

import string

import pytest

from pipeline import texts
from pipeline.texts import LANGUAGES, TextError, table, text

OTHERS = LANGUAGES[1:]


def placeholders(template: str) -> list[str]:
    fields = string.Formatter().parse(template)
    return sorted({name for _, name, _, _ in fields if name is not None})


@pytest.mark.parametrize("language", OTHERS)
def test_no_key_is_missing_in_another_language(language: str) -> None:
    assert set(table(language)) == set(table("en"))


@pytest.mark.parametrize("language", OTHERS)
def test_placeholders_are_equal_in_every_language(language: str) -> None:
    differing = {
        key: (english, table(language)[key])
        for key, english in table("en").items()
        if placeholders(english) != placeholders(table(language).get(key, ""))
    }
    assert differing == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_filled_in_and_placeholders_are_named(language: str) -> None:
    for key, template in table(language).items():
        assert template.strip() == template != "", key
        assert all(name.isidentifier() for name in placeholders(template)), key


def test_the_sections_are_the_same_files_in_every_language() -> None:
    for language in LANGUAGES:
        found = sorted(path.stem for path in (texts.FOLDER / language).glob("*.yaml"))
        assert found == texts.sections()


def test_text_gives_the_language_asked_for() -> None:
    assert text("figure.axis.epoch", "en") == "Epoch"
    assert text("figure.axis.epoch", "ja") == "エポック"


def test_unknown_key_names_near_ones() -> None:
    with pytest.raises(TextError, match=r"key='figure.axis.epok'.*figure.axis.epoch"):
        text("figure.axis.epok", "en")


def test_unknown_language_lists_the_known_ones() -> None:
    with pytest.raises(TextError, match=r"language='fr'.*en, ja"):
        text("figure.axis.epoch", "fr")


def test_a_placeholder_without_a_value_names_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "table", lambda language: {"a.b": "gap {gap:.2f}"})
    assert texts.text("a.b", "en", gap=0.125, unused=1) == "gap 0.12"
    with pytest.raises(TextError, match=r"'a\.b'.*got width.*gap"):
        texts.text("a.b", "en", width=3)
    with pytest.raises(TextError, match=r"'a\.b'"):
        texts.text("a.b", "en", gap="large")


def test_a_value_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(TextError, match="'figure.no' is a bool"):
        dict(texts._flat("figure", {"no": True}))


def test_a_key_that_yaml_reads_as_something_else_is_refused() -> None:
    with pytest.raises(TextError, match="figure.True is read as a bool"):
        dict(texts._flat("figure", {True: "class"}))
