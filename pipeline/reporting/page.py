"""The page as one HTML text that needs nothing else: styles, script and figures are inside it."""

import base64
import hashlib
import itertools
import struct
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from overfit_atlas.words import text
from pipeline.reporting.blocks import Page

FOLDER = Path(__file__).parent


def render(page: Page) -> str:
    """The page as HTML; equal pages give equal texts. All that is not a template is escaped."""

    def say(key: str, **values: Any) -> str:
        return text(f"report.{key}", page.language, **values)

    names = map("table-{}".format, itertools.count(1))
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            page=page,
            say=say,
            style=Markup(_file("style.css")),
            script=Markup(_file("page.js")),
            next_name=partial(next, names),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(base64=_base64, size=_size, sha256=_sha256)
    return environment


@cache
def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _sha256(script: str) -> str:
    """What the page's security policy calls its own script: no other script runs in it."""
    return _base64(hashlib.sha256(script.encode()).digest())


def _size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header of a PNG picture."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height
