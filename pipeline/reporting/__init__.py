"""The page people read: what it says (`sections`), what it is made of (`blocks`), how it looks.

Start at `report.report`: results in, `Page` out; `page.render` turns that into one HTML text.
"""
