"""The page as one HTML text that needs nothing else: styles, scripts, data and images are in it."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache, partial, reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

from overfit_atlas.errors import AtlasError
from overfit_atlas.estimates import Json
from overfit_atlas.files import write_text
from overfit_atlas.page import charts
from overfit_atlas.page.document import COLOURS, ON_DARK, Page
from overfit_atlas.page.numbers import listed
from overfit_atlas.words import table, text

FOLDER = Path(__file__).parent
SPOKEN = "page."
EXPOSED = "window.vegaEmbed = vegaEmbed;"


class PageError(AtlasError):
    """The page cannot be drawn: a package of the extra `page` is missing."""


def html(page: Page) -> str:
    """The page as HTML; equal pages give equal texts. All that is not a template is escaped.

    Raises:
        PageError: the extra `page` is not installed.
    """
    jinja, markup = _jinja()
    environment = jinja.Environment(
        loader=jinja.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = (renderer(), _file("page.js"))

    def say(key: str, **values: Any) -> str:
        return text(SPOKEN + key, page.language, **values)

    def joined(sentences: Iterable[str]) -> str:
        said = [one for one in sentences if one]
        return reduce(lambda first, last: say("then", first=first, last=last), said) if said else ""

    rendered: str = environment.get_template("page.html.j2").render(
        page=page,
        say=say,
        joined=joined,
        columns=columns,
        shared=shared,
        listed=partial(listed, language=page.language),
        style=markup(_file("page.css")),
        scripts=[markup(script) for script in scripts],
        policy=" ".join(f"'sha256-{_sha256(script)}'" for script in scripts),
        data=markup(_embedded(_data(page))),
    )
    return rendered


def _jinja() -> tuple[Any, Any]:
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError:
        raise PageError('A page needs jinja2: pip install "overfit-atlas[page]".') from None
    return jinja2, Markup


def columns(count: int, most: int) -> int:
    """How many stand beside each other, `most` at most, so that the rows are as even as can be."""
    return -(-count // max(1, -(-count // most)))


def shared(courses: Sequence[Json]) -> dict[tuple[str, ...], list[str]]:
    """By names of several models the notes that all of these have: said once, of all of them."""
    models: dict[str, list[str]] = {}
    for course in courses:
        for note in course["notes"]:
            models.setdefault(note, []).append(course["name"])
    found: dict[tuple[str, ...], list[str]] = {}
    for note, names in models.items():
        if len(names) > 1:
            found.setdefault(tuple(names), []).append(note)
    return found


@cache
def renderer() -> str:
    """The script that draws Vega-Lite, as the installed vl-convert-python has it.

    It is put together once for each of its versions, which takes seconds, and kept in the user's
    folder of caches, where that can be written, under a mark that says whether it is still whole.

    Raises:
        PageError: it is not installed.
    """
    try:
        import vl_convert
        from platformdirs import user_cache_path
    except ImportError:
        raise PageError(
            'A page needs vl-convert-python: pip install "overfit-atlas[page]".'
        ) from None
    own = hashlib.sha256(EXPOSED.encode()).hexdigest()[:8]
    kept = user_cache_path("overfit-atlas") / f"vega-{version('vl-convert-python')}-{own}.js"
    with suppress(OSError, ValueError):  # also of an encoding, and of no second line
        mark, whole = kept.read_text(encoding="utf-8").split("\n", 1)
        if mark == _marked(whole):
            return whole
    bundle = str(vl_convert.javascript_bundle(snippet=EXPOSED)).replace("</script", "<\\/script")
    with suppress(OSError):
        write_text(kept, f"{_marked(bundle)}\n{bundle}")
    return bundle


def _marked(script: str) -> str:
    return f"// sha256 {_sha256(script)}"


def _data(page: Page) -> Json:
    """All that the script needs: records, charts, themes, and its words."""
    spoken = table(page.language)
    names = ("courses", "plane", "remedies", "gallery", "quiz")
    everything: Mapping[str, Any] = asdict(page)
    return {
        **{name: everything[name] for name in names},
        "language": page.language,
        "colours": {"light": COLOURS, "dark": ON_DARK},
        "charts": charts.charts(page.language),
        "themes": charts.themes(),
        "words": {
            key.removeprefix(SPOKEN): said
            for key, said in spoken.items()
            if key.startswith(
                (f"{SPOKEN}js.", f"{SPOKEN}kind.", f"{SPOKEN}effect.", f"{SPOKEN}then")
            )
        },
    }


def _embedded(found: Json) -> str:
    """JSON that cannot end the element it stands in."""
    written = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _sha256(script: str) -> str:
    """What the page's security policy calls its own scripts: no other script runs in it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
