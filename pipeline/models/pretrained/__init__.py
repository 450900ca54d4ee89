"""Networks that come with weights: how these are found, checked, and read without trust."""
