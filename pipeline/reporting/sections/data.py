"""The images: how many, of which classes, from where, and what was done to them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.plots import data as plots
from pipeline.reporting.blocks import (
    Block,
    Column,
    Fold,
    Picture,
    Prose,
    Section,
    Table,
    Terms,
)
from pipeline.reporting.context import Context
from pipeline.reporting.wording import cell, named, percent, whole

SPLITS = ("train", "probe", "val", "test")
SAMPLES, SAMPLED_CLASSES = 8, 12


def section(context: Context) -> Section:
    """The data set, its classes and its flaws."""
    say = context.words
    blocks: list[Block] = [Prose(say("data.lead"), "lead"), Terms(_facts(context))]
    blocks += [_samples(context), _counts(context)]
    blocks.append(Fold(say("data.classes"), [_classes(context)]))
    return Section("data", say("data.title"), blocks)


def _samples(context: Context) -> Picture:
    train, manifest = context.results.prepared.train, context.results.manifest
    labels = np.asarray(train.true_labels)
    shown = range(min(manifest.num_classes, SAMPLED_CLASSES))
    rows = np.concatenate([np.flatnonzero(labels == label)[:SAMPLES] for label in shown])
    images, names = np.asarray(train.images[rows]), manifest.class_names
    figure = plots.samples(images, labels[rows], names, context.language)
    listed = context.words.listed([names[label] for label in shown])
    return context.words.picture(figure, context.words("data.samples_finding", classes=listed))


def _counts(context: Context) -> Picture:
    manifest = context.results.manifest
    table = pd.DataFrame(list(_rows(context)), columns=["split", "class", "class_name", "count"])
    counts = np.asarray(manifest.counts["train"])
    names = manifest.class_names
    finding = context.words(
        "data.counts_equal" if counts.min() == counts.max() else "data.counts_differ",
        most=int(counts.max()),
        least=int(counts.min()),
        largest=names[int(counts.argmax())],
        smallest=names[int(counts.argmin())],
    )
    return context.words.picture(plots.class_counts(table, context.language), finding)


def _rows(context: Context) -> Iterator[tuple[str, int, str, int]]:
    manifest = context.results.manifest
    for split in SPLITS:
        for label, name in enumerate(manifest.class_names):
            yield split, label, name, manifest.counts[split][label]


def _facts(context: Context) -> list[tuple[str, str]]:
    say, manifest = context.words, context.results.manifest
    height, width, channels = manifest.image_shape
    colour = "colour" if channels == 3 else "grey"
    facts = [
        (say("data.dataset"), manifest.dataset),
        (say("data.shape"), say(f"data.{colour}", height=height, width=width)),
        (say("data.num_classes"), whole(manifest.num_classes)),
    ]
    facts += [(say(f"split.{name}"), _split(context, name)) for name in SPLITS]
    facts.append((say("data.duplicates"), whole(manifest.duplicates_removed)))
    facts.append((say("data.skipped"), whole(manifest.skipped)))
    facts.append((say("data.noise"), percent(manifest.label_noise)))
    facts.append((say("data.imbalance"), say("data.times", factor=manifest.imbalance)))
    if manifest.licence:
        facts.append((say("data.licence"), manifest.licence))
    if manifest.citation:
        facts.append((say("data.citation"), manifest.citation))
    facts.append((say("data.hash"), manifest.content_hash[:16]))
    return facts


def _split(context: Context, name: str) -> str:
    say, counts = context.words, np.asarray(context.results.manifest.counts[name])
    span = (int(counts.min()), int(counts.max()))
    key = "data.per_class" if span[0] != span[1] else "data.each_class"
    purpose = say(f"data.purpose.{name}")
    return say(key, num=int(counts.sum()), low=span[0], high=span[1], purpose=purpose)


def _classes(context: Context) -> Table:
    say, manifest = context.words, context.results.manifest
    columns = [Column(say("table.class"))]
    columns += [Column(say(f"split.{name}"), numeric=True) for name in SPLITS]
    rows = [
        [named(name), *(cell(manifest.counts[split][index], whole) for split in SPLITS)]
        for index, name in enumerate(manifest.class_names)
    ]
    return Table(say("data.classes_caption"), columns, rows)
