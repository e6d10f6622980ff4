"""From an HTTP response to the main text of a page."""
