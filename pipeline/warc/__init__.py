"""Crawl archives: containers, records, the reader."""
