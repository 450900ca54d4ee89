"""Write the numbers of the README from what `make repro` left: `python -m scripts.docs_numbers`.

What a run found is kept in docs/numbers.json, and stands in README.md, README.ja.md and docs/dvc.md
between two comments each. What the course's experiment came to is read where it has been run, and
kept where not. `--check` writes nothing: it says what is stale, and fails if anything is.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from overfit_atlas.words import Probability
from pipeline import params
from pipeline.files import write_json, write_text
from scripts.marked_blocks import replaced

ROOT = Path(__file__).resolve().parents[1]
RECORD = Path("docs/numbers.json")
DOCUMENTS = {"en": Path("README.md"), "ja": Path("README.ja.md")}
SOURCES = ("results/metrics.json", "results/diagnosis.json", "results/tune")
BEGIN, END = "<!-- {}: begin; written by `make numbers` -->", "<!-- {}: end -->"
SAID = Path("docs/dvc.md")
"""Where what `dvc metrics diff` says of the course's experiment is shown."""
DIGITS = 4  # of results/verdicts.json
EXPERIMENT = "more-dropout"
"""What the course calls its experiment."""
COURSE = {
    "en": "the gap of the dense net goes from {gap[0]:.2f} to {gap[1]:.2f} nats, its onset from "
    "epoch {onset[0]} to {onset[1]}",
    "ja": "dense のギャップは {gap[0]:.2f} nat から {gap[1]:.2f} nat へ、過学習の開始はエポック "
    "{onset[0]} から {onset[1]} へ動く",
}
MAP = {
    True: {
        "en": " The map: {points} points, {seeds} fits each, whose seeds turn the split.",
        "ja": "地図は {points} 点、各点 {seeds} 回の学習で、シードごとに分割も変える。",
    },
    False: {
        "en": " The map: {points} points, {seeds} seeds each, on the one split.",
        "ja": "地図は {points} 点、各点 {seeds} シードで、同じ 1 つの分割による。",
    },
}
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
        "map_fits": {
            "points": study["num_points"],
            "seeds": study["num_seeds"],
            "turn_folds": study["turn_folds"],
        },
    }


def read_course(root: Path) -> dict[str, list[Any]] | None:
    """What `dvc metrics diff` says of the course's experiment; None where it has not been run."""
    command = [sys.executable, "-m", "dvc", "metrics", "diff", "--json", "HEAD", EXPERIMENT]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if said.returncode:
        return None
    found = json.loads(said.stdout).get("results/verdicts.json", {})
    dense = {name: one for name, one in sorted(found.items()) if name.startswith("dense.")}
    return {name: [one["old"], one["new"]] for name, one in dense.items()} or None


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
            numbers["map"][language]
            + MAP[numbers["map_fits"]["turn_folds"]][language].format(**numbers["map_fits"]),
        ]
    )


def blocks(numbers: Json) -> dict[Path, dict[str, str]]:
    """What stands in each document, by the name in its comments."""
    course = numbers["course"]
    gap, onset = course["dense.gap"], course["dense.onset"]
    found = {
        document: {
            "numbers": f"\n{block(numbers, language)}\n",
            "course": COURSE[language].format(gap=gap, onset=onset),
        }
        for language, document in DOCUMENTS.items()
    }
    return {**found, SAID: {"course": f"\n```\n{_differences(course)}\n```\n"}}


def _differences(course: Mapping[str, Sequence[Any]]) -> str:
    """The table that `dvc metrics diff` prints."""
    rows = [("Path", "Metric", "HEAD", EXPERIMENT, "Change")]
    for name, (old, new) in course.items():
        change = "-" if isinstance(old, str) else f"{new - old:.4g}"
        rows.append(("results/verdicts.json", name, str(old), str(new), change))
    widths = [max(len(head) + 2, *map(len, cells)) for head, *cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
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
    sure = f"{Probability(probability):.2f}"
    return f"{title}（{sure}）" if language == "ja" else f"{title} ({sure})"


def written(text: str, made: Mapping[str, str]) -> str:
    """`text` with each of `made` between the two comments of its name.

    Raises:
        ValueError: the comments are not there.
    """
    for name, one in made.items():
        text = replaced(text, BEGIN.format(name), END.format(name), one)
    return text


def stale(root: Path) -> Iterator[str]:
    """A sentence for each place whose numbers are not those of the run that dvc.lock names."""
    numbers = json.loads((root / RECORD).read_text(encoding="utf-8"))
    for document, made in blocks(numbers).items():
        text = (root / document).read_text(encoding="utf-8")
        if written(text, made) != text:
            yield f"{document}: its numbers are not those of {RECORD}"
    for name, digest in hashes_in(root / "dvc.lock").items():
        if numbers["of"].get(name) != digest:
            yield f"{RECORD}: its numbers are of another {name} than the one in dvc.lock"
    (gap, *_), (began, _) = numbers["models"]["dense"]["gap"], numbers["course"]["dense.gap"]
    if round(gap, DIGITS) != began:
        yield f"{RECORD}: the course began from another run: run its step 5, then `make numbers`"


def write(root: Path) -> list[Path]:
    """Renew the record and the documents from the run in `root`; the files that changed."""
    numbers = read_run(root)
    before = {path: _text(root / path) for path in (RECORD, *DOCUMENTS.values(), SAID)}
    course = read_course(root) or json.loads(before[RECORD] or "{}").get("course")
    if not course:
        raise ValueError(f"no experiment {EXPERIMENT}: run step 5 of the course first.")
    numbers["course"] = course
    write_json(root / RECORD, numbers, sort_keys=False)
    for document, made in blocks(numbers).items():
        write_text(root / document, written(before[document], made))
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
