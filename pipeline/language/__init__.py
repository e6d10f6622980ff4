"""Language identification and the prefilter before extraction."""
