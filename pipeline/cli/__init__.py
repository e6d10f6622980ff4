"""Commands: what `python -m pipeline` runs."""
