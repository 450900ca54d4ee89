"""The truth bench: real fits of which it is known, from large samples, what was true of them."""
