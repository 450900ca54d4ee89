"""The text tables: complete in every language, with the same placeholders, clear when wrong."""

import string
import tomllib
from pathlib import Path

import pytest

from overfit_atlas import words
from overfit_atlas.words import LANGUAGES, TextError, table, text

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
        found = sorted(path.stem for path in (words.FOLDER / language).glob("*.toml"))
        assert found == words.sections()


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
    monkeypatch.setattr(words, "table", lambda language: {"a.b": "gap {gap:.2f}"})
    assert words.text("a.b", "en", gap=0.125, unused=1) == "gap 0.12"
    with pytest.raises(TextError, match=r"'a\.b'.*got width.*gap"):
        words.text("a.b", "en", width=3)
    with pytest.raises(TextError, match=r"'a\.b'"):
        words.text("a.b", "en", gap="large")


def test_a_value_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(TextError, match="'figure.no' is a bool"):
        dict(words._flat("figure", {"no": True}))


# One term a thing, as Japanese course books say it.
NOT_SAID = ("忍耐", "罰則", "予算", "課題", "素の値")
SAID = (
    "クリーンな値",
    "適合",
    "判定できない",
    "打ち切り",
    "過学習",
    "学習不足",
    "正則化項",
    "早期終了",
)


@pytest.mark.parametrize("term", NOT_SAID)
def test_japanese_keeps_to_the_glossary(term: str) -> None:
    assert [key for key, said in table("ja").items() if term in said] == []


@pytest.mark.parametrize("term", SAID)
def test_the_terms_of_the_glossary_are_used(term: str) -> None:
    assert [key for key, said in table("ja").items() if term in said]


def _glossary() -> dict[str, dict[str, str]]:
    text = (words.FOLDER / "glossary.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _japanese() -> dict[str, str]:
    """What people read in Japanese: the README and each table of words."""
    readme = Path(__file__).resolve().parents[3] / "README.ja.md"
    files = [readme, *sorted((words.FOLDER / "ja").glob("*.toml"))]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def test_every_term_of_the_glossary_is_the_one_in_use() -> None:
    everything = "\n".join(_japanese().values())
    assert [one for one in _glossary()["terms"].values() if one not in everything] == []


def test_no_text_uses_another_word_for_a_term() -> None:
    found = {
        (name, word)
        for name, text in _japanese().items()
        for word in _glossary()["never"]
        if word in text
    }
    assert found == set()


def test_a_term_has_one_word() -> None:
    terms = list(_glossary()["terms"].values())
    assert len(terms) == len(set(terms))
