"""Pages without Beam: print the longest English pages of a crawl file.

Run `python longest_pages.py CRAWL.warc.gz`. `extract_pages` reads the file in this process and yields a typed page for
every response, after all stages. The second argument takes the keys of a config. Rejected pages are yielded too, with
the reason.
"""

import sys

import pipeline as gm


def main(crawl: str) -> None:
    """Print the five longest pages that are kept, and how many were rejected."""
    pages = list(gm.extract_pages(crawl, {"languages": ["en"], "recipe": "fineweb"}))
    kept = [page for page in pages if page.rejection is None]
    for page in sorted(kept, key=lambda page: -len(page.text or ""))[:5]:
        print(
            f"{len(page.text or ''):8,} characters  {page.language} {page.language_score:.2f}  {page.url}  {page.title}"
        )
    print(f"{len(kept)} pages kept, {len(pages) - len(kept)} rejected")


if __name__ == "__main__":
    main(*sys.argv[1:])
