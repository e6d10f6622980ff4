"""Wikimedia dumps: the URLs that articles refer to, and the articles as plain text."""
