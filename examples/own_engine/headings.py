"""An engine of your own: it takes only headings and paragraphs, with BeautifulSoup.

Run `PYTHONPATH=. gristmill extract config.yaml` in this folder, after you have named a crawl file in
`config.yaml`. An engine is a function of the page's HTML and address. It returns the main text, and the pipeline adds
title, author, date and licence; return a `pipeline.Extraction` instead to set these as well. What the function raises
rejects the page as `extract/parse-error`. Large pages are extracted in a sandbox process, which limits time and memory.
"""

from bs4 import BeautifulSoup


def extract_headings_and_paragraphs(html: str, url: str) -> str:
    """Return the text of a page's headings and paragraphs, a line each."""
    found = BeautifulSoup(html, "lxml").find_all(["h1", "h2", "h3", "p"])
    lines = (" ".join(element.get_text().split()) for element in found)
    return "\n".join(line for line in lines if line)
