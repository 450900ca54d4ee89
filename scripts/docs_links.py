"""A hook of mkdocs: links from docs/ to files that are not on the site become plain words there."""

import re
from typing import Any

OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./[^)\s]+\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """`markdown` of a page, with the words of `[words](../FILE)` in place of the link."""
    return OUTWARD.sub(r"\1", markdown)
