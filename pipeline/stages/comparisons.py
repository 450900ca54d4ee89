"""Check comparisons and list them for DVC: `python -m pipeline.stages.comparisons [NAME]`.

DVC cannot look into a folder. So `experiments/list.yaml` names what is in `experiments/compare/`
and `experiments/data/`; `make compare` writes it first, and a new YAML file is all one adds.
"""

import argparse
import json
from contextlib import suppress
from pathlib import Path

from overfit_atlas.errors import AtlasError
from pipeline import params as parameters
from pipeline.comparing import record
from pipeline.comparing.record import Comparison, ComparisonError
from pipeline.files import write_text
from pipeline.stages import cli

DATA = Path("experiments/data")
OWN = "prepared"
"""What a comparison says as `data` for the images of params.yaml."""
LIST = Path("experiments/list.yaml")
HEADER = "# Written by `python -m pipeline.stages.comparisons`; experiments/dvc.yaml reads it.\n"


def main(arguments: argparse.Namespace) -> None:
    """Check one comparison, or all, and write the list."""
    params = parameters.load(arguments.params)
    chosen = [arguments.name] if arguments.name else record.names()
    for name in chosen:
        comparison = record.load(name)
        comparison.resolved(comparison.seeds or params.compare.seeds)
        if comparison.data not in (OWN, *datasets()):
            raise ComparisonError(
                f"{name}: data: {comparison.data!r} is no file in {DATA}/. "
                f"Known: {', '.join(datasets())}, and {OWN} for the images of params.yaml."
            )
        print(f"{name}: {comparison.title}")
    text = listed(_sound(), params.images.model)
    if not LIST.is_file() or LIST.read_text(encoding="utf-8") != text:
        write_text(LIST, text)


def _sound() -> dict[str, Comparison]:
    """All comparisons that can be read: a broken one must not stop the others."""
    found = {}
    for name in record.names():
        with suppress(AtlasError):
            found[name] = record.load(name)
    return found


def datasets() -> list[str]:
    """The data sets that comparisons can name."""
    return sorted(path.stem for path in DATA.glob("*.yaml"))


def listed(comparisons: dict[str, Comparison], net: str = "dense") -> str:
    """The text of `experiments/list.yaml`.

    Args:
        net: that of `images`: where it is a function of somebody's, its file is depended on.
    """
    own, _, function = net.rpartition(":")
    lines = [HEADER + "data:"]
    lines += [f"  {name}: {{file: {(DATA / name).as_posix()}.yaml}}" for name in datasets()]
    lines += ["compare:"]
    for name, one in comparisons.items():
        # The default pipeline writes the small form of it under the plain name.
        out = f"results/compare/{name}" + ("_full" if one.small else "")
        data = "data/prepared" if one.data == OWN else f"data/sets/{one.data}/prepared"
        lines.append(f"  {name}: {{data: {data}, needs: {one.needs or data}, out: {out}}}")
    lines += ["images:", f"  needs: {json.dumps(own) if function and own else 'data/prepared'}"]
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Check comparisons and list them for DVC.")
    made.add_argument("name", nargs="?", help="one comparison; all if not given")
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
