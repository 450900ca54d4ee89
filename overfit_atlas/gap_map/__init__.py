"""The gap over two parameters of a net: surface, frontier, and double descent."""
