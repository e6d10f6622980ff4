"""Hashes that fix the order of pages and the random draws, so that equal input gives equal output."""

import hashlib


def hash_strings(*parts: str) -> str:
    """Return 16 hex digits of the SHA-256 of the strings. Orders and draws depend on this value alone."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def hash_site(site: str) -> str:
    """Return 12 hex digits that stand for a site in the list of sites that a model was trained on."""
    return hashlib.sha256(site.encode("utf-8", "replace")).hexdigest()[:12]
