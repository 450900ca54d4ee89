"""The charts of the page as Vega-Lite JSON: data by name, and signals that the page moves.

Every chart takes its rows from datasets that the page fills, so one specification serves many
models, points and remedies. Colours of ink and ground come from the theme, light or dark.
"""

from typing import Any

from overfit_atlas.words import text

Spec = dict[str, Any]
GOOD, BAD, NEUTRAL, UNJUDGED = "#3b82d6", "#d9722e", "#8a929c", "#e9e5da"
KINDS = {
    "good fit": "#2f9e6e",
    "underfit": "#3b82d6",
    "too sure": "#f0a35e",
    "wrong more often": "#c2451e",
    "by heart": "#8f4bb3",
    "overfit": "#7a4a1f",
    "other": NEUTRAL,
    "unjudged": UNJUDGED,
}
"""Colours of verdicts, of overfits by kind: apart in lightness as well, for the colour-blind."""
EFFECTS = {
    "cures": GOOD,
    "improves": "#2f9e6e",
    "masks": "#b28f00",
    "harms": BAD,
    "unclear": "#8f4bb3",
    "no effect": NEUTRAL,
}
"""Colours of effects, those that help first."""
MAP_SIGNALS = ("left", "right", "bottom", "ceiling", "threshold", "columns")
"""Ends of the axes, the gap at the frontier, and how many names of a legend stand in a row."""
SHADES = ("gap", "kind", "val_loss", "onset")
UPRIGHT_FROM = 12
"""Of more classes than this, their names below the confusion matrix stand upright."""


def charts(language: str) -> dict[str, Spec]:
    """Every chart by name: the map is there in each shade, the effects with and without names."""
    return {
        "curves": _curves(language),
        "confusion": _confusion(language),
        "calibration": _calibration(language),
        "effects": _effects(),
        "effects_beside": _effects(named=False),
        **{f"plane_{shade}": _plane(language, shade) for shade in SHADES},
    }


def themes() -> dict[str, Spec]:
    """What all charts share, on a light and on a dark ground."""
    return {
        "light": _theme("#1f2328", "#5b6470", "#e1e5ea"),
        "dark": _theme("#e8eaed", "#aab2bd", "#373d45"),
    }


def _theme(ink: str, muted: str, faint: str) -> Spec:
    axis: Spec = {"labelColor": muted, "titleColor": ink, "gridColor": faint, "domainColor": muted}
    axis |= {"tickColor": muted, "labelFontSize": 12, "titleFontSize": 12.5, "titleFontWeight": 500}
    legend = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "aria": False,
        "background": "transparent",
        "font": "system-ui, 'Noto Sans JP', 'Hiragino Sans', sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend | {"symbolStrokeColor": ink},
        "header": {"labelColor": ink, "titleColor": ink},
        "text": {"fill": ink, "fontSize": 12},
        "rule": {"stroke": ink},
        "style": {"muted": {"stroke": muted}},
    }


def _chart(**parts: Any) -> Spec:
    fit = {"type": "fit-x", "contains": "padding"}
    return {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "autosize": fit, **parts}


def _param(name: str, value: Any) -> Spec:
    return {"name": name, "value": value}


def _quantity(field: str, title: str | None = None, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _curves(language: str) -> Spec:
    """Probe solid, val dashed; the onset with its interval, the moment, the gap, and the ends.

    Datasets: rows (epoch, value, split, series, colour), range (epoch, low, high, colour), onset
    (best, low, high), ends (epoch, value, text), moment (epoch, val, probe, middle,
    gap). Signals: reach, the end of the axis; last, the last epoch; floor and top of the scores.
    """
    axis: Spec = {"tickMinStep": 1, "tickCount": 6, "grid": False, "titlePadding": 0}
    axis["labelExpr"] = "datum.value > 0 && datum.value <= last ? datum.label : ''"
    axis["tickOpacity"] = {"condition": {"test": "datum.value > last", "value": 0}, "value": 1}
    scale = {"domain": {"expr": "[1, reach]"}, "nice": False, "zero": False}
    x = _quantity("epoch", text("page.axis.epoch", language), scale=scale, axis=axis)
    y = _quantity(
        "value", None, scale={"domain": {"expr": "[floor, top]"}, "nice": False, "zero": False}
    )
    y |= {"axis": {"tickCount": 5}}
    signals = [_param("reach", 10), _param("last", 10), _param("floor", 0), _param("top", 1)]
    layers = [*_onset(x["title"]), *_lines(x, y), *_moment(x), _ends(x, y)]
    return _chart(width="container", height=220, params=signals, layer=layers)


def _layer(dataset: str, mark: Spec, encoding: Spec, only: str | None = None) -> Spec:
    made: Spec = {"data": {"name": dataset}, "mark": mark, "encoding": encoding}
    return made if only is None else made | {"transform": [{"filter": only}]}


def _onset(title: str) -> list[Spec]:
    shade = {"type": "rect", "color": "#d9722e", "opacity": 0.18}
    line = {"type": "rule", "color": "#c2451e", "strokeWidth": 2}
    return [
        _layer("onset", shade, {"x": _quantity("low", title), "x2": {"field": "high"}}),
        _layer("onset", line, {"x": _quantity("best", title)}),
    ]


def _lines(x: Spec, y: Spec) -> list[Spec]:
    colour = {"field": "colour", "type": "nominal", "scale": None}
    dash: Spec = {"field": "split", "type": "nominal", "legend": None}
    dash["scale"] = {"domain": ["probe", "val"], "range": [[1, 0], [6, 4]]}
    banded = {"x": x, "y": _quantity("low"), "y2": {"field": "high"}, "color": colour}
    drawn = {"x": x, "y": y, "color": colour, "strokeDash": dash, "detail": {"field": "series"}}
    return [
        _layer("range", {"type": "area", "opacity": 0.13, "clip": True}, banded),
        _layer("rows", {"type": "line", "strokeWidth": 2.4, "clip": True}, drawn),
    ]


def _moment(x: Spec) -> list[Spec]:
    """The epoch that the page stands at, and the gap then, in words beside it."""
    between = {"x": x, "y": _quantity("probe"), "y2": {"field": "val"}}
    said = {"x": x, "y": _quantity("middle"), "text": {"field": "gap"}}
    beside = {"type": "text", "fontWeight": "bold", "clip": True}
    return [
        _layer("moment", {"type": "rule", "style": "muted", "strokeDash": [2, 3]}, {"x": x}),
        _layer("moment", {"type": "rule", "strokeWidth": 3, "clip": True}, between),
        _layer("moment", beside | {"align": "right", "dx": -7}, said, "datum.epoch > last / 2"),
        _layer("moment", beside | {"align": "left", "dx": 7}, said, "datum.epoch <= last / 2"),
    ]


def _ends(x: Spec, y: Spec) -> Spec:
    mark = {"type": "text", "align": "left", "dx": 6, "lineBreak": "\n", "lineHeight": 14}
    return _layer("ends", mark, {"x": x, "y": y, "text": {"field": "text"}})


def _confusion(language: str) -> Spec:
    """Dataset rows: true, predicted (names), share of the true class, right, label."""
    axis: Spec = {"labelLimit": 90, "ticks": False, "domain": False, "grid": False}
    x: Spec = {"field": "predicted", "type": "nominal", "sort": None}
    upright = {"expr": f"domain('x').length > {UPRIGHT_FROM} ? -90 : -40"}
    turned = {
        "labelAngle": upright,
        "labelAlign": "right",
        "labelBaseline": "middle",
        "labelPadding": 6,
    }
    x |= {"title": text("page.axis.predicted", language), "axis": axis | turned}
    y: Spec = {"field": "true", "type": "nominal", "sort": None, "axis": axis}
    y["title"] = text("page.axis.true", language)
    grey = [
        {"test": "datum.right", "value": "#8a929c55"},
        {"test": "datum.share < 0.005", "value": "#8a929c14"},
    ]
    scale = {"domain": [0, 0.35], "range": [0.12, 1], "clamp": True}
    faint: Spec = {"condition": [one | {"value": 1} for one in grey]}  # so dark stays dark
    faint |= _quantity("share", scale=scale, legend=None)
    shade: Spec = {"condition": grey, "value": "#b03a10"}
    mark = {"type": "rect", "cornerRadius": 2}
    cells = {"mark": mark, "encoding": {"color": shade, "opacity": faint}}
    ink = {"condition": {"test": "datum.share > 0.2", "value": "white"}}  # else of the theme
    labels: Spec = {
        "transform": [{"filter": "!datum.right && datum.label != ''"}],
        "mark": {"type": "text", "fontSize": 11},
        "encoding": {"text": {"field": "label"}, "color": ink},
    }
    right: Spec = {
        "transform": [{"filter": "datum.right"}],
        "mark": {"type": "text", "fontSize": 11},
        "encoding": {"text": {"field": "label"}},
    }
    encoding = {"x": x, "y": y}
    rows = {"name": "rows"}
    return _chart(
        width="container", height=330, data=rows, encoding=encoding, layer=[cells, labels, right]
    )


def _calibration(language: str) -> Spec:
    """Dataset rows: claimed, right; and the diagonal on which both are equal."""
    axis = {"format": ".0%", "tickCount": 5}
    scale = {"domain": [0, 1]}
    x = _quantity("claimed", text("page.axis.claimed", language), scale=scale, axis=axis)
    y = _quantity("right", text("page.axis.right", language), scale=scale, axis=axis)
    ends = [{"claimed": 0, "right": 0}, {"claimed": 1, "right": 1}]
    encoding = {"x": x, "y": y}
    line = {"type": "line", "color": BAD, "strokeWidth": 2.4, "point": {"color": BAD, "size": 45}}
    return _chart(
        width="container",
        height=330,
        layer=[
            {
                "data": {"values": ends},
                "mark": {"type": "line", "style": "muted", "color": NEUTRAL, "strokeDash": [4, 4]},
                "encoding": encoding,
            },
            {"data": {"name": "rows"}, "mark": line, "encoding": encoding},
        ],
    )


def _effects(named: bool = True) -> Spec:
    """Dataset rows: name, at, kind, effect, low, high; full at the last epoch, else hollow.

    `named` is false for a chart beside another that names the same rows.
    """
    y: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None}
    y["axis"] = {"labelLimit": 130, "grid": True, "ticks": False, "domain": False}
    y["axis"]["labels"] = named
    offset = {"field": "at", "type": "nominal", "scale": {"domain": ["best", "last"]}}
    kinds = {"domain": list(EFFECTS), "range": list(EFFECTS.values())}
    colour = {"field": "kind", "type": "nominal", "scale": kinds, "legend": None}
    base = {"y": y, "yOffset": offset, "color": colour}
    span = {"x": _quantity("low"), "x2": {"field": "high"}}
    filled = {"condition": {"test": "datum.at == 'last'", "value": 1}, "value": 0}
    point = {"x": _quantity("effect", None, axis={"tickCount": 5}), "fillOpacity": filled}
    return _chart(
        width="container",
        height=300,
        data={"name": "rows"},
        layer=[
            {"mark": {"type": "rule", "style": "muted"}, "encoding": {"x": {"datum": 0}}},
            {"mark": {"type": "rule", "strokeWidth": 2.5}, "encoding": base | span},
            {
                "mark": {"type": "point", "filled": False, "size": 50, "strokeWidth": 2},
                "encoding": base | point,
            },
            {
                "transform": [{"filter": "datum.at == 'last'"}],
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": base | {"x": _quantity("effect")},
            },
        ],
    )


def _plane(language: str, shade: str) -> Spec:
    """Datasets: points (x, x2, y, y2, shades, unsure), chosen, frontier (width, dropout, ...)."""
    x_scale = {"type": "log", "base": 2, "nice": False, "domain": {"expr": "[left, right]"}}
    y_scale = {"nice": False, "domain": {"expr": "[bottom, ceiling]"}}
    x = _quantity("x", text("page.axis.width", language), scale=x_scale)
    x["axis"] = {"grid": False, "format": "~d"}
    y = _quantity(
        "y",
        text("page.axis.dropout", language),
        scale=y_scale,
        axis={"grid": False, "tickCount": 5, "labelExpr": "datum.value >= 0 ? datum.label : ''"},
    )
    cells = {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "y2"}}
    titles = x["title"], y["title"]
    across, up = _quantity("width", titles[0]), _quantity("dropout", titles[1])
    along: Spec = {"x": across, "y": up}
    band = {"x": across, "y": _quantity("low", titles[1]), "y2": {"field": "high"}}
    beyond = [  # an end that was not found lies above all that was examined
        {"calculate": f"isValid(datum.{end}) ? datum.{end} : ceiling", "as": end}
        for end in ("low", "high")
    ]
    frontier, ink = {"name": "frontier"}, "#14171a"  # cells are light on every ground
    return _chart(
        width="container",
        height=320,
        params=[_param(name, 1) for name in MAP_SIGNALS],
        layer=[
            {
                "data": {"name": "points"},
                "mark": {"type": "rect", "cursor": "pointer", "invalid": None},
                "encoding": cells | {"color": _shade(language, shade)},
            },
            {
                "data": frontier,
                "transform": beyond,
                "mark": {"type": "area", "color": ink, "opacity": 0.16, "clip": True},
                "encoding": band,
            },
            {
                "data": frontier,
                "mark": {"type": "line", "color": ink, "strokeWidth": 2.5, "clip": True},
                "encoding": along,
            },
            {
                "data": {"name": "chosen"},
                "mark": {"type": "rect", "stroke": ink, "strokeWidth": 3, "fillOpacity": 0},
                "encoding": {key: cells[key] for key in ("x", "x2", "y", "y2")},
            },
            *([_unsure(along, ink)] if shade == "kind" else ()),
        ],
    )


def _unsure(along: Spec, ink: str) -> Spec:
    """A question mark in the cells whose verdict is not sure, as the figure of the map has it."""
    middles = [
        {"filter": "datum.unsure"},
        {"calculate": "sqrt(datum.x * datum.x2)", "as": "width"},
        {"calculate": "(datum.y + datum.y2) / 2", "as": "dropout"},
    ]
    mark = {"type": "text", "text": "?", "fontWeight": "bold", "fontSize": 13, "color": ink}
    return _layer("points", mark | {"cursor": "pointer"}, along) | {"transform": middles}


def _shade(language: str, shade: str) -> Spec:
    said = "shade_legend" if shade in ("kind", "onset") else "shade"
    title = text(f"page.{said}.{shade}", language)
    legend: Spec = {"orient": "top", "title": title, "gradientLength": 180}
    legend["columns"] = {"expr": "columns"}
    if shade == "kind":
        names = [_named(kind, language) for kind in KINDS]
        scale: Spec = {"domain": names, "range": list(KINDS.values())}
        return {"field": "kind", "type": "nominal", "scale": scale, "legend": legend}
    if shade == "gap":
        scale = {
            "domain": {"expr": "[0, threshold, 2 * threshold]"},
            "clamp": True,
            "interpolate": "rgb",
        }
        scale["range"] = ["#4f94dd", "#f3efe6", "#dd6b20"]
    elif shade == "onset":
        scale = {"range": ["#dd6b20", "#f6ddc3"]}
    else:
        scale = {"range": ["#0b5fb3", "#e6eef8"]}
    missing = {"condition": {"test": f"!isValid(datum.{shade})", "value": "#b9bfc788"}}
    return missing | _quantity(shade, scale=scale, legend=legend)


def _named(kind: str, language: str) -> str:
    return text(f"page.kind.{kind.replace(' ', '_')}", language)
