"""Beam options and their checks, the local pool, progress."""
