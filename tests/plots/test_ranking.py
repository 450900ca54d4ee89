"""ROC and precision-recall curves: the worst classes in colour, named with their areas."""

import pandas as pd

from pipeline.plots import ranking, style


def test_the_worst_classes_are_named_and_the_others_are_grey() -> None:
    names = [f"class {number}" for number in range(7)]
    areas = pd.DataFrame({"class": range(7), "class_name": names})
    areas["roc_auc"] = areas["average_precision"] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.99, None]
    curves = pd.DataFrame(
        [
            {"class_name": name, "curve": curve, "x": x, "y": x}
            for name in names[:6]
            for curve in ("roc", "precision_recall")
            for x in (0.0, 1.0)
        ]
    )
    figure = ranking.ranking(curves, areas, "en")
    said = [one.get_text() for one in figure.legends[0].get_texts()]
    assert "class 4: AUC 0.500, average precision 0.500" in said
    assert len(said) == ranking.MOST_NAMED and not any("class 5" in one for one in said)
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert len(colours) == 6 and colours.count(style.FAINT) == 1
