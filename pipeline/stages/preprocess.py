"""Split, resize and describe a data set: `python -m pipeline.stages.preprocess`."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pipeline import params as parameters
from pipeline import tracking
from pipeline.data import arrays, copies, doubts, prepared, raw
from pipeline.data.arrays import Images
from pipeline.data.copies import Duplicate
from pipeline.data.decoding import Decoded, Odd, Skipped, decode
from pipeline.data.doubts import Contradiction
from pipeline.data.plan import Plan, plan
from pipeline.data.prepared import SPLITS, Labels, Manifest, Split
from pipeline.files import replacing, write_json, write_text
from pipeline.params import Params, Preprocess
from pipeline.stages import cli

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = TypeVar("Row", Skipped, Duplicate, Contradiction, Odd)
COUNTS_HEADER = ("split", "class", "class_name", "count")
SAMPLES_PER_CLASS, SAMPLED_CLASSES = 10, 20


@dataclass(frozen=True)
class Outcome:
    """What preprocess did: the manifest it wrote, and what it left out."""

    manifest: Manifest
    skipped: Sequence[Skipped]
    duplicates: Sequence[Duplicate]
    repeated: dict[str, int]
    copies: Mapping[str, Any]
    dropped_classes: Sequence[str]
    contradictions: Sequence[Contradiction]
    odd_sizes: Sequence[Odd]
    notes: Sequence[str]


def main(arguments: argparse.Namespace) -> None:
    """Prepare what `download` fetched, and write its tables and figures."""
    tracking.check()
    params = parameters.load(arguments.params)
    outcome = prepare(arguments.raw, arguments.out, params.preprocess, params.seed)
    write_tables(arguments.results, outcome)
    language = params.report.language
    write_figures(arguments.results, arguments.out, outcome.manifest, language)
    print(summary_line(outcome))
    for note in outcome.notes:
        print(f"note: {note}")
    _log(params, outcome.manifest, arguments.results)


def _log(params: Params, manifest: Manifest, results: Path) -> None:
    """Tell MLflow which data there are now: counts, class table, figures."""
    sections = ("seed", "download", "preprocess")
    with tracking.stage_run(params, "preprocess", manifest.dataset, sections) as run:
        run.log_dataset(manifest)
        run.log_metrics({f"{split}/num_images": manifest.num_images(split) for split in SPLITS})
        for file in sorted(results.iterdir()):
            run.log_file(file)


def prepare(source: Path, out: Path, settings: Preprocess, seed: int) -> Outcome:
    """Write the prepared form of the raw data in `source` to `out`, whole or not at all.

    Raises:
        DataError: images are unreadable or of several sizes, or a class has too few of them.
    """
    found = raw.read(source)
    with replacing(out, "manifest.json") as temporary:
        temporary.mkdir()
        with TemporaryDirectory(dir=temporary) as work:
            decoded = decode(found, settings, Path(work))
            near = copies.near(decoded)
            planned = plan(decoded, found.origin.class_names, settings, seed, near)
            manifest, notes = _write(temporary, found.origin, decoded, planned)
    return Outcome(
        manifest=manifest,
        skipped=planned.skipped,
        duplicates=planned.duplicates,
        repeated=planned.repeated,
        copies=planned.counts,
        dropped_classes=planned.dropped_classes,
        contradictions=planned.contradictions,
        odd_sizes=decoded.odd,
        notes=(*found.origin.notes, *planned.notes, *_contradicting(planned), *notes),
    )


def _contradicting(planned: Plan) -> Iterator[str]:
    if planned.contradictions:
        first = planned.contradictions[0]
        yield (
            f"{len(planned.contradictions)} images are there under two classes "
            f"(contradictions.csv), {first.path or f'image {first.id}'} first: "
            f"{first.class_name!r} and {first.same_as_class!r}"
        )


def _write(
    folder: Path, origin: raw.Origin, decoded: Decoded, planned: Plan
) -> tuple[Manifest, list[str]]:
    _, height, width, channels = decoded.images.shape
    manifest = Manifest(
        dataset=origin.dataset,
        class_names=planned.class_names,
        image_shape=(height, width, channels),
        counts={},
        mean=(),
        std=(),
        content_hash="",
        duplicates_removed=planned.left_out,
        skipped=len(planned.skipped),
        licence=origin.licence,
        citation=origin.citation,
        bits=decoded.bits,
        copied=planned.copied,
    )
    written = []
    for name in SPLITS:
        rows = planned.rows[name]
        labels = planned.true_labels[rows]
        trained = planned.labels if name == "train" else labels
        split = Split(name, np.zeros(0, np.uint8), trained, labels, decoded.ids[rows])
        blocks = decoded.images.selected(rows)
        written.append(prepared.write_split(folder, split, blocks, manifest.image_shape))
    notes = list(doubts.dark(written[0].histogram))
    return prepared.finish(folder, manifest, written, planned.probe), notes


def write_tables(results: Path, outcome: Outcome) -> None:
    """Write the tables of classes, of what was left out or is odd, and summary.json."""
    counts = raw.table(COUNTS_HEADER, class_counts(outcome.manifest))
    write_text(results / "class_counts.csv", counts)
    write_text(results / "skipped.csv", _table(Skipped, outcome.skipped))
    write_text(results / "duplicates.csv", _table(Duplicate, outcome.duplicates))
    write_text(results / "contradictions.csv", _table(Contradiction, outcome.contradictions))
    write_text(results / "odd_sizes.csv", _table(Odd, outcome.odd_sizes))
    write_json(results / "summary.json", summary(outcome))


def class_counts(manifest: Manifest) -> Iterator[tuple[str, int, str, int]]:
    """How many images each class has in each split: split, class, class name, count."""
    for split in (*SPLITS, "probe"):
        for label, number in enumerate(manifest.counts[split]):
            yield split, label, manifest.class_names[label], number


def summary(outcome: Outcome) -> dict[str, object]:
    """What there is to say of the data in a few numbers, as plain JSON."""
    manifest = outcome.manifest
    return {
        "dataset": manifest.dataset,
        "num_classes": manifest.num_classes,
        "image_shape": list(manifest.image_shape),
        "num_images": {split: manifest.num_images(split) for split in manifest.counts},
        "duplicates_removed": {"train": manifest.duplicates_removed},
        "copies": dict(outcome.copies),
        "repeated_within": outcome.repeated,
        "skipped": manifest.skipped,
        "dropped_classes": list(outcome.dropped_classes),
        "contradictions": len(outcome.contradictions),
        "odd_sizes": len(outcome.odd_sizes),
        "notes": list(outcome.notes),
        "label_noise": manifest.label_noise,
        "imbalance": manifest.imbalance,
        "mean": list(manifest.mean),
        "std": list(manifest.std),
        "content_hash": manifest.content_hash,
    }


def summary_line(outcome: Outcome) -> str:
    """The outcome in one line."""
    manifest = outcome.manifest
    sizes = ", ".join(f"{manifest.num_images(split):,} {split}" for split in manifest.counts)
    height, width, channels = manifest.image_shape
    return (
        f"{manifest.dataset}: {manifest.num_classes} classes of {width} x {height} x {channels}; "
        f"{sizes}; {copies.told(outcome.copies)}, "
        f"{manifest.duplicates_removed} left out of train, {manifest.skipped} skipped"
    )


def write_figures(results: Path, data: Path, manifest: Manifest, language: str) -> None:
    """Write class_counts.png and samples.png to `results`."""
    from pipeline.plots import data as plots

    rows = zip(*class_counts(manifest), strict=True)
    table = dict(zip(COUNTS_HEADER, rows, strict=True))
    _save(results / "class_counts.png", plots.class_counts(table, language))
    images, labels = samples(data / "train", manifest.num_classes)
    sheet = plots.samples(images, labels, manifest.class_names, language)
    _save(results / "samples.png", sheet, dpi=100)


def samples(train: Path, num_classes: int) -> tuple[Images, Labels]:
    """The first images of each class of train, by true label, of the first classes."""
    labels = np.load(train / "true_labels.npy", allow_pickle=False)
    chosen = [
        np.flatnonzero(labels == label)[:SAMPLES_PER_CLASS]
        for label in range(min(num_classes, SAMPLED_CLASSES))
    ]
    rows = np.sort(np.concatenate(chosen))
    images = np.concatenate(list(arrays.open_rows(train / "images.npy").selected(rows)))
    return images, labels[rows]


def _save(path: Path, figure: "Figure", dpi: float = 144) -> None:
    from pipeline.plots import style

    with replacing(path) as temporary:
        temporary.write_bytes(style.png(figure, dpi))


def _table(record: type[Row], rows: Sequence[Row]) -> str:
    return raw.table([field.name for field in fields(record)], map(astuple, rows))


def arguments() -> argparse.ArgumentParser:
    """The command line of this stage."""
    parser = cli.parser("Split, resize and describe a data set.")
    cli.add_folders(parser, "raw")
    parser.add_argument("--out", type=Path, default=Path("data/prepared"), help="folder to write")
    parser.add_argument(
        "--results", type=Path, default=Path("results/data"), help="folder for tables and figures"
    )
    return parser


if __name__ == "__main__":
    cli.run(main, arguments())
