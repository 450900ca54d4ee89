"""Write the numbers of the README from what `make repro` left: `python -m scripts.docs_numbers`.

What a run found is kept in docs/numbers.json, and stands in README.md and README.ja.md between two
comments. `--check` writes nothing: it says what is stale, and fails if anything is.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import params
from pipeline.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RECORD = Path("docs/numbers.json")
DOCUMENTS = {"en": Path("README.md"), "ja": Path("README.ja.md")}
SOURCES = ("results/metrics.json", "results/diagnosis.json", "results/tune")
BEGIN = "<!-- numbers: begin; written by `make numbers` -->"
END = "<!-- numbers: end -->"
HEADS = {
    "en": "| model | seeds | accuracy, val | accuracy, test | worst class F1, test "
    "| loss, test: raw / calibrated | gap in loss, last epoch (nats) | onset "
    "| verdict (probability) |",
    "ja": "| モデル | シード | 正解率（検証） | 正解率（テスト） | 最悪クラスの F1（テスト） "
    "| 損失（テスト、素／較正後） | 損失のギャップ（最終エポック、nat） | 過学習の開始 "
    "| 判定（確率） |",
}
ABOUT = {
    "en": "{dataset}: {probe:,} probe, {val:,} validation and {test:,} test images; weights of the "
    "best epoch by calibrated loss on validation; means over seeds with {share:.0%} intervals over "
    "seeds and images. All rest on one split.",
    "ja": "{dataset}：プローブ {probe:,} 枚、検証 {val:,} 枚、テスト {test:,} 枚。重みは検証の"
    "較正後の損失が最良のエポックのもの。シードについての平均と、シードと画像についての "
    "{share:.0%} 区間。すべて同じ 1 つの分割による。",
}
Json = Mapping[str, Any]


def read_run(root: Path) -> dict[str, Any]:
    """What the run in `root`/results found, as docs/numbers.json keeps it.

    Raises:
        OSError: there are no results.
    """
    metrics, diagnosis, study = (
        json.loads((root / name).read_text(encoding="utf-8"))
        for name in (*SOURCES[:2], "results/tune/summary.json")
    )
    one = next(iter(metrics.values()))
    return {
        "of": hashes_in(root / "dvc.lock"),
        "dataset": study["dataset"],
        "confidence": study["confidence"],
        "images": {split: scores["num_images"] for split, scores in one.items()},
        "models": {
            name: _model(metrics[name], diagnosis[name])
            for name in params.MODEL_NAMES
            if name in metrics
        },
        "map": study["slices"][0]["sentence"],
    }


def hashes_in(lock: Path) -> dict[str, str]:
    """The hashes that dvc.lock holds of the files these numbers come from."""
    stages = params.read_yaml(lock)["stages"]
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if out["path"] in SOURCES}


def _model(scores: Json, judged: Json) -> dict[str, Any]:
    test, onset = scores["test"], judged["onset"].get("loss")
    gap = judged["gap"]["loss"]
    return {
        "seeds": test["num_seeds"],
        **{
            f"{split}_accuracy": [scores[split]["accuracy"], *scores[split]["accuracy_interval"]]
            for split in ("val", "test")
        },
        "worst_class_f1": test["worst_class_f1"],
        "loss": [test["loss"], test["calibrated_loss"]],
        "gap": [gap["value"], gap["low"], gap["high"]],
        "onset": None if onset is None or onset["epoch"] is None else _epochs(onset),
        "title": judged["title"],
        "probability": judged["probability"],
    }


def _epochs(onset: Json) -> list[int]:
    return [onset["epoch"], onset["low"], onset["high"]]


def block(numbers: Json, language: str) -> str:
    """What stands between the two comments: where the numbers come from, the table, the map."""
    head = HEADS[language]
    ruler = "|" + "---|" * (head.count("|") - 1)
    rows = [_row(name, one, language) for name, one in numbers["models"].items()]
    return "\n\n".join(
        [
            ABOUT[language].format(
                dataset=numbers["dataset"], share=numbers["confidence"], **numbers["images"]
            ),
            "\n".join([head, ruler, *rows]),
            numbers["map"][language],
        ]
    )


def _row(name: str, one: Json, language: str) -> str:
    epoch = {"en": "epoch ", "ja": "エポック "}[language]
    cells = [
        name,
        str(one["seeds"]),
        *(_ranged(one[f"{split}_accuracy"], language, ".1f", 100) for split in ("val", "test")),
        f"{one['worst_class_f1']:.2f}",
        " / ".join(f"{value:.3f}" for value in one["loss"]),
        _ranged(one["gap"], language, ".2f"),
        "–" if one["onset"] is None else epoch + _ranged(one["onset"], language, "d"),
        _sure(one["title"][language], one["probability"], language),
    ]
    return f"| {' | '.join(cells)} |"


def _ranged(three: list[float], language: str, form: str, times: int = 1) -> str:
    value, low, high = (f"{times * number:{form}}" for number in three)
    unit = " %" if times == 100 else ""
    if language == "ja":
        return f"{value}{unit}（{low}〜{high}）"
    return f"{value}{unit} ({low} to {high})"


def _sure(title: str, probability: float, language: str) -> str:
    return f"{title}（{probability:.2f}）" if language == "ja" else f"{title} ({probability:.2f})"


def written(text: str, made: str) -> str:
    """`text` with `made` between the two comments.

    Raises:
        ValueError: the comments are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the lines {BEGIN!r} and {END!r} are missing.")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def stale(root: Path) -> Iterator[str]:
    """A sentence for each place whose numbers are not those of the run that dvc.lock names."""
    numbers = json.loads((root / RECORD).read_text(encoding="utf-8"))
    for language, document in DOCUMENTS.items():
        text = (root / document).read_text(encoding="utf-8")
        if written(text, block(numbers, language)) != text:
            yield f"{document}: its table is not that of {RECORD}"
    for name, digest in hashes_in(root / "dvc.lock").items():
        if numbers["of"].get(name) != digest:
            yield f"{RECORD}: its numbers are of another {name} than the one in dvc.lock"


def write(root: Path) -> list[Path]:
    """Renew the record and the documents from the run in `root`; the files that changed."""
    numbers = read_run(root)
    before = {path: _text(root / path) for path in (RECORD, *DOCUMENTS.values())}
    write_json(root / RECORD, numbers, sort_keys=False)
    for language, document in DOCUMENTS.items():
        write_text(root / document, written(before[document], block(numbers, language)))
    return [path for path, text in before.items() if _text(root / path) != text]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: argparse.Namespace) -> int:
    """Write, or with `--check` only say what is stale."""
    if arguments.check:
        found = list(stale(ROOT))
        print("\n".join(found) or "All numbers are those of the run in dvc.lock.")
        return int(bool(found))
    changed = write(ROOT)
    print("Written anew: " + (", ".join(map(str, changed)) or "nothing, all was up to date"))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the numbers of the README from a run.")
    parser.add_argument("--check", action="store_true", help="only say which are stale")
    sys.exit(main(parser.parse_args()))
