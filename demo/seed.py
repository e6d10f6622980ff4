"""Seeded random generators: every part of the sample draws from its own, so that a change in one leaves the others."""

import random

SEED = "gristmill demo 1"


def make_generator(*purpose: object) -> random.Random:
    """Return a random generator whose seed is SEED and the words of `purpose`."""
    return random.Random(" ".join([SEED, *map(str, purpose)]))
