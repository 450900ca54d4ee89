"""Addresses with passwords in them: what may be shown of one, and a filter for all that is shown.

An address that `know` was told of, or that stands in the environment, is a secret of this process:
`masked` finds it, its password and its tokens in any text. Addresses nobody told of are masked
where they can be told from other text.
"""

import base64
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TextIO, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
ADDRESS = re.compile(r"[A-Za-z][\w+.-]{0,40}://[^\s'\"<>|]+")
LOCAL = ("sqlite", "file")  # what follows is a path, which may hold an @
OF_A_SECRET = re.compile(r"pass|pwd|token|key|secret|sig|auth|cred|sas\b", re.IGNORECASE)
"""Names of what stands after `?` in an address whose values are nobody else's business."""
LONG_VALUE = 16
SHORTEST = 4
"""Characters of a secret that is looked for by itself: fewer stand in every text by chance."""
WHOLE_WORD = 8
"""Characters below which a secret is found only where no letter or digit stands beside it."""
ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SECRETS = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "PGPASSWORD",
    "MYSQL_PWD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
_known: set[str] = set()


def shown(address: str) -> str:
    """What may be shown of `address`: its user, query and fragment replaced by ***.

    One with an @ behind its host is shown by its scheme alone: whether that is part of a password
    (which should say %40, and %2F for a slash) programs do not agree about.
    """
    scheme, found, rest = address.partition("://")
    if not found:
        return address
    if scheme.lower().startswith(LOCAL):
        path, query, _ = rest.partition("?")
        return f"{scheme}://{path}{query and '?' + HIDDEN}"
    try:
        parts = urlsplit("//" + rest)
    except ValueError:
        return f"{scheme}://{HIDDEN}"
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{scheme}://{HIDDEN}"
    _, user, place = parts.netloc.rpartition("@")
    hidden = "".join(f"{sign}{HIDDEN}" for sign in "?#" if sign in rest)
    return f"{scheme}://{user and HIDDEN + user}{place}{parts.path}{hidden}"


def know(content: Any) -> None:
    """Count every address in `content`, nested lists and dicts of values, as a secret."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple | set):
            waiting += one
        elif isinstance(one, str) and "://" in one:
            _known.add(one)
            _known.update(ADDRESS.findall(one))


def masked(text: str) -> str:
    """`text` without passwords: those of this process, and those of any address in it."""
    for pattern, replacement in _filter(frozenset(_known), *_of_the_environment()):
        text = pattern.sub(replacement.replace("\\", r"\\"), text)
    return ADDRESS.sub(_masked_match, text) if "://" in text else text


def _masked_match(match: re.Match[str]) -> str:
    address = match.group()
    end = address.rstrip(").,;:]}!")
    return shown(end) + address[len(end) :]


def _of_the_environment() -> tuple[frozenset[str], frozenset[str]]:
    both = [*ADDRESSES, *(name.lower() for name in ADDRESSES)]
    addresses = {os.environ.get(name, "") for name in both}
    return frozenset(addresses), frozenset(os.environ.get(name, "") for name in SECRETS)


@lru_cache(maxsize=16)
def _filter(
    known: Collection[str], addresses: Collection[str], secrets: Collection[str]
) -> list[tuple[re.Pattern[str], str]]:
    """What to look for, the longest first, and what to put in its place."""
    whole = {one: shown(one) for one in {*known, *addresses} if shown(one) != one}
    parts = {part for address in whole for part in _secrets(address)}
    parts |= {form for secret in secrets for form in _forms(secret)}
    wanted = {**{part: HIDDEN for part in parts if len(part) >= SHORTEST}, **whole}
    longest = sorted(wanted, key=len, reverse=True)
    return [(_pattern(one), wanted[one]) for one in longest]


def _pattern(secret: str) -> re.Pattern[str]:
    found = re.escape(secret)
    short = len(secret) < WHOLE_WORD
    return re.compile(rf"(?<![^\W_]){found}(?![^\W_])" if short else found)


def _secrets(address: str) -> Iterator[str]:
    """The password, or a user that is a token, however one reads the address; values of its query.

    Parts of a password too: a library that cuts it at its / or @ shows what it took for a host.
    """
    scheme, _, rest = address.partition("://")
    query = rest.partition("?")[2]
    for name, value in parse_qsl(query):
        if OF_A_SECRET.search(name) or (len(value) >= LONG_VALUE and "/" not in value):
            yield from _forms(value)
    if scheme.lower().startswith(LOCAL):
        return
    user, _, password = rest.rpartition("@")[0].partition(":")
    if user or password:
        yield from _forms(password or user)
        yield base64.b64encode(unquote(f"{user}:{password}").encode()).decode()
    if password:
        yield from re.split(r"[/@:?#&=\s'\"]", f"{password} {unquote(password)}")


def _forms(secret: str) -> Iterable[str]:
    plain = unquote(secret)
    return {
        secret,
        plain,
        quote(plain),
        quote(plain, safe=""),
        quote_plus(plain),
        repr(plain)[1:-1],
    }


class _Filtered:
    """A text stream through which no secret gets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(masked(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def unfiltered(stream: TextIO) -> TextIO:
    """The stream below `filter_output`'s, for a text that was masked already where it must be."""
    return stream._stream if isinstance(stream, _Filtered) else stream


def filter_output() -> None:
    """From now on all that Python prints or logs in this process is `masked`, tracebacks too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Filtered):
            setattr(sys, name, cast(TextIO, _Filtered(stream)))
