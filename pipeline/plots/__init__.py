"""One function a figure: table in, matplotlib Figure out; writes no file. See `style` for the look."""
