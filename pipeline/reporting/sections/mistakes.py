"""What is taken for what: confusions, the images behind them, and where the model looked."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from overfit_atlas.images import forgetting
from pipeline.plots import confusion, examples, gradcam
from pipeline.reporting.blocks import Block, Fold, Missing, Prose, Section
from pipeline.reporting.context import Context
from pipeline.reporting.results import Arrays

NUM_PAIRS = 8


def section(context: Context) -> Section:
    """For each model: the matrix, the confused pairs, the most confident mistakes, Grad-CAM."""
    say = context.words
    blocks: list[Block] = [Prose(say("mistakes.lead"), "lead")]
    folds = [
        Fold(
            say("page.of_model", what=say("mistakes.title"), model=name),
            found,
            name == context.results.best,
            context.colours[name],
        )
        for name in context.results.models
        if (found := list(_of_model(context, name)))
    ]
    blocks += folds or [Missing(say("mistakes.missing"), "dvc repro evaluate")]
    hard = _hard(context)
    return Section("mistakes", say("mistakes.title"), [*blocks, hard] if hard else blocks)


def _of_model(context: Context, name: str) -> Iterator[Block]:
    say, results, language = context.words, context.results, context.language
    classes = results.manifest.class_names
    table = results.table("confusions", name)
    if table is not None:
        figure = confusion.confusion_matrix(table, classes, language)
        yield say.picture(figure, confusion.confusion_finding(table, classes, language))
    predictions = results.arrays("predictions", name)
    if predictions is not None:
        yield from _images(context, name, predictions)
    yield from _grad_cam(context, name)


def _images(context: Context, name: str, predictions: Arrays) -> Iterator[Block]:
    say, results, language = context.words, context.results, context.language
    classes, images = results.manifest.class_names, results.prepared.test.images
    probabilities = predictions["test_probabilities"].mean(axis=0)
    wrong = examples.mistakes(probabilities, predictions["test_labels"])
    num = context.params.report.num_examples
    if len(wrong):
        shown = np.asarray(images)
        figure = examples.misclassified(wrong, shown, classes, language, num_examples=num)
        finding = examples.misclassified_finding(wrong, classes, language)
        reading = say("mistakes.mean", seeds=context.seeds(name))
        yield say.picture(figure, finding, reading)
    pairs = results.table("confused_pairs", name)
    if pairs is not None and len(wrong):
        figure = examples.confused_pairs(
            pairs.head(NUM_PAIRS), wrong, np.asarray(images), classes, language
        )
        yield say.picture(figure, say("mistakes.pairs_finding"))


def _grad_cam(context: Context, name: str) -> Iterator[Block]:
    """Where the model looked; nothing for a model without feature maps, such as `dense`."""
    found = context.results.arrays("gradcam", name)
    if found is None or "labels" not in found:
        return
    say, classes = context.words, context.results.manifest.class_names
    table = pd.DataFrame(
        {
            "image": np.arange(len(found["labels"])),
            "true": found["labels"],
            "predicted": found["predicted"],
            "probability_true": found["p_true"],
            "probability_predicted": found["p_predicted"],
        }
    )
    maps = found["images"], found["maps_true"], found["maps_predicted"]
    layer = str(found["layer"])
    figure = gradcam.grad_cam(table, maps, classes, context.language, layer)
    wrong = int((table["true"] != table["predicted"]).sum())
    finding = say("mistakes.gradcam_finding", layer=layer, wrong=wrong, right=len(table) - wrong)
    yield say.picture(figure, finding, say("mistakes.gradcam_reading"))


def _hard(context: Context) -> Fold | None:
    """The training images that the best model of those trained by epochs found hardest to learn."""
    results, say, language = context.results, context.words, context.language
    known = [name for name in results.models if results.per_image.get(name)]
    if not known:
        return None
    best = min(known, key=lambda name: (results.score(name, "val", "loss"), name))
    fits = [
        forgetting.forgetting(one["probe_correct"], one["probe_loss"]) for one in results.fits(best)
    ]
    table, probe = forgetting.over_seeds(fits), results.prepared.probe
    classes = results.manifest.class_names
    names = [classes[label] for label in np.asarray(probe.labels)]
    images, finding = np.asarray(probe.images), examples.hard_images_finding(table, language)
    blocks: list[Block] = [Prose(say("mistakes.hard_lead"))]
    figure = examples.hard_images(table, images, names, language, "mean_loss")
    blocks.append(say.picture(figure, finding))
    if (table["forgotten"] > 0).any():
        figure = examples.hard_images(table, images, names, language, "forgotten")
        times = float(table["forgotten"].max())
        found = say("mistakes.forgotten_finding", times=times, seeds=len(fits))
        blocks.append(say.picture(figure, found))
    title = say("page.of_model", what=say("mistakes.hard"), model=best)
    return Fold(title, blocks, swatch=context.colours[best])
