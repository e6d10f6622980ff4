"""The topic classifier: what a page is about."""
