"""Commands: what `gristmill` runs."""
