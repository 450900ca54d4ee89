"""Check comparisons and list them for DVC: `python -m pipeline.stages.comparisons [NAME ...]`.

DVC reads every `dvc.yaml` there is and cannot look into a folder. So `experiments/list.yaml` names
what was asked for, with the data it needs, and nothing else: what never ran would stand in every
`dvc status`, and would fail every checkout. `make compare` adds to it; a new YAML file in
`experiments/compare/` is all one adds.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from overfit_atlas.errors import AtlasError
from pipeline import params as parameters
from pipeline.comparing import record
from pipeline.comparing.record import Comparison, ComparisonError
from pipeline.files import write_text
from pipeline.stages import cli

DATA = Path("experiments/data")
OWN = "prepared"
"""What a comparison says as `data` for the images of params.yaml."""
SEARCH, FOUND = "images", "results/images"
"""The search for memorised images, which is listed beside comparisons, and what it writes."""
PRETRAINED, PRETRAINED_ON = "models/pretrained", "cifar100"
"""What the stage `pretrain` makes, and from which data set."""
LIST = Path("experiments/list.yaml")
HEADER = """\
# Comparisons that were asked for, and what they need: experiments/dvc.yaml reads it.
# Written by `python -m pipeline.stages.comparisons NAME`; without a name all are checked.
"""


def main(arguments: argparse.Namespace) -> None:
    """Check the comparisons that are named, or all; list those named beside those listed."""
    params = parameters.load(arguments.params)
    names = [name for name in arguments.names if name != SEARCH]
    for name in names or ([] if arguments.names else record.names()):
        comparison = _checked(name, params)
        print(f"{name}: {comparison.title}")
    wanted = {*arguments.names, *_listed_before()}
    text = listed(_sound(wanted - {SEARCH}), params.images.model, SEARCH in wanted)
    if not LIST.is_file() or LIST.read_text(encoding="utf-8") != text:
        write_text(LIST, text)


def _checked(name: str, params: parameters.Params) -> Comparison:
    comparison = record.load(name)
    comparison.resolved(comparison.seeds or params.compare.seeds)
    if comparison.data not in (OWN, *datasets()):
        raise ComparisonError(
            f"{name}: data: {comparison.data!r} is no file in {DATA}/. "
            f"Known: {', '.join(datasets())}, and {OWN} for the images of params.yaml."
        )
    return comparison


def _listed_before() -> set[str]:
    """What is listed already; nothing where there is no list, or one that cannot be read."""
    try:
        listing: Mapping[str, Any] = parameters.read_yaml(LIST)
    except AtlasError:
        return set()
    return {*listing.get("compare", {}), *([SEARCH] if listing.get(SEARCH) else [])}


def _sound(names: Iterable[str]) -> dict[str, Comparison]:
    """Those of `names` that can be read: a broken one must not stop the others."""
    found = {}
    for name in sorted(names):
        with suppress(AtlasError):
            found[name] = record.load(name)
    return found


def datasets() -> list[str]:
    """The data sets that comparisons can name."""
    return sorted(path.stem for path in DATA.glob("*.yaml"))


def listed(comparisons: Mapping[str, Comparison], net: str, search: bool = False) -> str:
    """The text of `experiments/list.yaml`: these comparisons, and whatever they need.

    Args:
        net: that of `images`: where it is a function of somebody's, its file is depended on.
        search: list `images` even if no comparison needs what it finds.
    """
    needs = {one.needs for one in comparisons.values()}
    sets = {one.data for one in comparisons.values()} - {OWN}
    if PRETRAINED in needs:
        sets |= {PRETRAINED_ON}
    sections: dict[str, dict[str, dict[str, str]]] = {
        "data": {name: {"file": f"{DATA.as_posix()}/{name}.yaml"} for name in sorted(sets)},
        "pretrain": {PRETRAINED_ON: {"out": PRETRAINED}} if PRETRAINED in needs else {},
        SEARCH: {"train": {"needs": _file_of(net)}} if search or FOUND in needs else {},
        "compare": {name: _entry(name, one) for name, one in comparisons.items()},
    }
    return HEADER + "".join(_section(name, entries) for name, entries in sections.items())


def _section(name: str, entries: Mapping[str, Mapping[str, str]]) -> str:
    lines = [
        f"  {key}: {{{', '.join(f'{field}: {json.dumps(value)}' for field, value in one.items())}}}"
        for key, one in entries.items()
    ]
    return "\n".join([f"{name}:" + ("" if lines else " {}"), *lines, ""])


def _file_of(net: str) -> str:
    own, _, function = net.rpartition(":")
    return own if function and own else "data/prepared"


def _entry(name: str, one: Comparison) -> dict[str, str]:
    # The default pipeline writes the small form of it under the plain name.
    out = f"results/compare/{name}" + ("_full" if one.small else "")
    data = "data/prepared" if one.data == OWN else f"data/sets/{one.data}/prepared"
    return {"data": data, "needs": one.needs or data, "out": out}


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Check comparisons and list them for DVC.")
    made.add_argument("names", nargs="*", help="comparisons, or images; none: only check all")
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
