"""The quality classifier: how much a page reads like pages that Wikipedia refers to."""
