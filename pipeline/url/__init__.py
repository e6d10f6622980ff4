"""Canonical URLs, the URL filter, blocklists, topics by address."""
