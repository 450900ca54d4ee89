"""One function a figure: table in, matplotlib Figure out; writes no file; look: see `style`."""
