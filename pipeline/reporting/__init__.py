"""From the results of a run to the page: `results` reads them, `report` hands them to the core.

The page itself, its charts and its words are `overfit_atlas.page`.
"""
