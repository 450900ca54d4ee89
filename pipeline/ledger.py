"""How often the test images were read: a line for each reading, outside DVC's outputs.

Whoever reads a test score often, and keeps what scored best, tunes on the test images. So readings
are counted; reading equal weights on equal images again counts once.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATH = Path("mlruns/test_reads.jsonl")


@dataclass(frozen=True)
class Readings:
    """Readings of the test images of one data set.

    Attributes:
        times: how often they were read with weights not read with before.
        settings: how many different models were read.
    """

    times: int
    settings: int

    def sentence(self) -> str:
        """The count in words."""
        times = "once" if self.times == 1 else f"{self.times} times"
        models = "one model" if self.settings == 1 else f"{self.settings} different settings"
        return f"Test read {times}, of {models}."


def digest(paths: Sequence[Path]) -> str:
    """A hash of the content of several files, in their order."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:24]


def note(path: Path, data_hash: str, weights: Mapping[str, str]) -> None:
    """Append one line a model: time, data hash, model, weights hash.

    Args:
        weights: hash of the weights by model name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {"time": round(time.time(), 3), "data": data_hash, "model": name, "weights": one}
        for name, one in weights.items()
    ]
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def counted(path: Path, data_hash: str) -> Readings:
    """The readings of the data with this hash; lines that were cut off by a crash do not count."""
    lines = [line for line in _lines(path) if line.get("data") == data_hash]
    by_time: dict[object, set[tuple[object, object]]] = {}
    for line in lines:
        by_time.setdefault(line["time"], set()).add((line["model"], line["weights"]))
    seen: set[tuple[object, object]] = set()
    times = 0
    for _, read in sorted(by_time.items(), key=lambda item: str(item[0])):
        times += bool(read - seen)
        seen |= read
    return Readings(times, len({weights for _, weights in seen}))


def _lines(path: Path) -> Iterator[dict[str, object]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and {"time", "model", "weights"} <= found.keys():
            yield found
