"""The interactive page, from the record of a judgement: one HTML file that needs no network.

`document.Page` is what it says, `charts` its pictures as Vega-Lite JSON, and `render.html` the
file. The renderer's bundle is taken from the installed vl-convert-python (extra `page`).
`saved.write` does all of it for any judged models.
"""
