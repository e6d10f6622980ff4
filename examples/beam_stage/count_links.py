"""A Beam pipeline of your own: our stages, with one of yours between two of them.

Run `python count_links.py CRAWL.warc.gz OUTPUT`. Every stage is a `PTransform` of pages to pages. `PageStage` runs a
function over batches of pages; any other `PTransform` of pages to pages can stand in its place. Pages come out in
`OUTPUT/documents/` and `OUTPUT/rejected/`, and each input's counts in `OUTPUT/.work/extract/`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import apache_beam as beam

import pipeline as gm


class RejectLinkLists(gm.PageStage):
    """PCollection[Page] -> PCollection[Page]: rejects pages with many links. It stands where pages still have HTML."""

    def __init__(self, max_links: int):
        """`max_links` is the largest number of links in a page that is kept."""
        super().__init__()
        self.max_links = max_links

    def load(self):
        """Return the function that a worker calls for each batch of pages."""
        return self.reject_link_lists

    def reject_link_lists(self, pages: Sequence[gm.Page]) -> list[gm.Page]:
        """Return the pages, those with too many links rejected."""
        return [self.check_links(page) for page in pages]

    def check_links(self, page: gm.Page) -> gm.Page:
        """Return one page, rejected where it has too many links."""
        links = (page.html or "").lower().count("<a ")
        if page.rejection is not None or links <= self.max_links:
            return page
        return replace(page, rejection=gm.Rejection("links", "too-many", links, "links", self.max_links))


def main(crawl: str, output: str) -> None:
    """Extract a crawl file into an output folder."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = (
            pipeline
            | gm.ReadCrawl(crawl, output=output)
            | RejectLinkLists(max_links=50)
            | gm.ExtractText()
            | gm.IdentifyLanguage()
            | gm.WriteSplit(output)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
