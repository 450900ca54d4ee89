"""The command `overfit-atlas`: judge what any training logged, draw its page, list the formats.

Exit status: 0 judged; 1 judged, and `--fail-on` holds; 2 refused, with one line on stderr; 64 the
command line is wrong.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from overfit_atlas import logged, overview, readers
from overfit_atlas.errors import AtlasError
from overfit_atlas.facts import Facts
from overfit_atlas.files import visible, write_text
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.words import LANGUAGES, sentences

JUDGED, FAILED, REFUSED, USAGE = 0, 1, 2, 64
OURS = (b'{\n "read": ', b"<!DOCTYPE html>")
"""How records and pages begin."""
FAILABLE = ("overfit", "underfit", "data", "undetermined")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding lacks is no error
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        return status
    except AtlasError as error:
        return _refused(str(error))
    except MemoryError:
        return _refused("too large for the memory that there is")
    except OSError as error:
        return _refused(f"{error.filename or 'file system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return 130


@contextmanager
def _heard() -> Iterator[None]:
    """What is told, as long as somebody reads: where none does (`| head`), all else goes on."""
    try:
        yield
        if sys.stdout is not None:  # as `>&-` leaves it
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(message: str) -> int:
    print(f"error: {visible(' '.join(message.split()))}", file=sys.stderr)
    return REFUSED


def _diagnose(parsed: argparse.Namespace) -> int:
    _spare(parsed.json, parsed.source)
    found = readers.read(*parsed.source, seeds=parsed.seeds)
    rules = Rules(target_accuracy=parsed.target_accuracy)
    facts = Facts(num_images=parsed.val_images, num_classes=parsed.classes)
    judged = logged.judge_read(found, rules, facts, parsed.seeds)
    with _heard():
        print(visible(found.said(parsed.language)))
        if len(judged) > 1:
            print(f"\n{visible(overview.table(judged, parsed.language))}")
        for made in judged:
            print(f"\n{visible(sentences.report(made, parsed.language))}")
    if parsed.json:
        record = {"read": found.as_json(), "judgements": [made.as_json() for made in judged]}
        with _heard():
            write_text(parsed.json, json.dumps(record, ensure_ascii=False, indent=1))
    return FAILED if any(_fails(made, parsed) for made in judged) else JUDGED


def _page(parsed: argparse.Namespace) -> int:
    from overfit_atlas.page import saved

    _spare(parsed.out, parsed.source)
    found = readers.read(*parsed.source, seeds=parsed.seeds)
    judged = logged.judge_read(found, Rules(), Facts(), parsed.seeds)
    saved.write(parsed.out, saved.of_judgements(judged, parsed.language))
    with _heard():
        print(visible(str(parsed.out)))
    return JUDGED


def _spare(out: Path | None, sources: Sequence[str]) -> None:
    """Refuse to write over what is read: a log, or a file in its folder that we did not write."""
    if out is not None and out.is_dir():
        raise AtlasError(f"{out} is a folder; name a file in it")
    if out is None or not out.is_file():
        return
    with out.open("rb") as file:
        ours = file.read(20).startswith(OURS)
    for source in map(Path, sources):
        if source.exists() and out.samefile(source):
            raise AtlasError(f"{out} is to be read and would be written over; name another file")
        if not ours and source.is_dir() and out.resolve().is_relative_to(source.resolve()):
            raise AtlasError(
                f"{out} lies in {source}, which is read, and would be written over; name another "
                "file, or take it away"
            )


def _fails(made: Judgement, parsed: argparse.Namespace) -> bool:
    """Whether the gate closes: by the probability of the verdict, or because none could be said."""
    if parsed.fail_on is None:
        return False
    if parsed.fail_on == "undetermined":
        return made.verdict == "undetermined"
    return bool(made.probabilities.get(parsed.fail_on, 0.0) >= parsed.at)


def _formats(parsed: argparse.Namespace) -> int:
    with _heard():
        for one in readers.formats():
            needs = f" (needs overfit-atlas[{one.extra}])" if one.extra else ""
            print(f"{one.name:<22} {one.what}{needs}")
    return JUDGED


class _Parser(argparse.ArgumentParser):
    """A parser whose refusals have an exit status of their own."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="overfit-atlas", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    diagnose = commands.add_parser("diagnose", help="judge a log, a folder of logs, or a run")
    diagnose.set_defaults(run=_diagnose)
    add = diagnose.add_argument
    add("source", nargs="+", help="a file, a folder, or the id of an MLflow run")
    add("--json", type=Path, metavar="OUT", help="also write the record of the judgement")
    add("--seeds", action="store_true", help="all fits are seeds of one model")
    add("--val-images", type=_count, metavar="N", help="how many validation images there are")
    add("--classes", type=_classes, metavar="N", help="how many classes there are")
    add("--target-accuracy", type=_share, metavar="A", help="what the task allows, 0 to 1")
    add("--fail-on", choices=FAILABLE, help="exit with status 1 where this verdict is probable ...")
    add("--at", type=_share, default=0.9, metavar="P", help="... at least so much (default 0.9)")
    add("--language", choices=LANGUAGES, default="en", help="of what is printed")
    page = commands.add_parser("page", help="write the interactive page of logs, side by side")
    page.set_defaults(run=_page)
    page.add_argument("source", nargs="+", help="files, folders, or ids of MLflow runs")
    page.add_argument("--out", type=Path, default=Path("page.html"), help="default: %(default)s")
    page.add_argument("--seeds", action="store_true", help="all fits are seeds of one model")
    page.add_argument("--language", choices=LANGUAGES, default="en", help="of the page")
    formats = commands.add_parser("formats", help="list what can be read")
    formats.set_defaults(run=_formats)
    return parser


def _count(text: str) -> int:
    return _whole(text, 1)


def _classes(text: str) -> int:
    return _whole(text, 2)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number from {least} on")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a number from 0 to 1")
    return value
