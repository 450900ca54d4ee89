"""One function a figure: table in, matplotlib Figure out; no file. See `style` for the look."""
