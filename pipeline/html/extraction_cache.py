"""Bodies that come again: the extractions made last, by the hash of what they were made from.

One body is captured under several addresses (session ids, redirects, error pages that say 200). Where its main text
depends on the body alone, it is extracted once; what the address decides is read anew for each. An engine that looks at
the address, too, extracts a body once for each address. Only successes are kept: a page that ran out of time is given
its time each time. Two bodies of one length are taken for one where their hashes are equal, as those of one pair of
different ones in 2^64 are.
"""

from collections import OrderedDict

from pipeline.html.engines import Engine, Extraction
from pipeline.html.metadata import extract_metadata

MAX_CHARACTERS = 8_000_000  # of all that is held; four bytes each at most
ENTRY = 500  # characters that an extraction counts beside its text


class ExtractionCache:
    """The extractions of the pages seen last, at most MAX_CHARACTERS; the least recently used goes first."""

    def __init__(self, by_address: bool, limit: int = MAX_CHARACTERS):
        """Hold nothing yet. `by_address`: the engine's text depends on the address, too. `limit` is in characters."""
        self.by_address, self.limit, self.held = by_address, limit, 0
        self.found: OrderedDict[tuple[int, int, str], Extraction] = OrderedDict()

    def extract(self, engine: Engine, html: str, url: str) -> Extraction:
        """Return the page's extraction: the engine's, or that of the same body with this address's metadata.

        Raises what the engine raises.
        """
        key = (len(html), hash(html), url if self.by_address else "")
        page = self.found.get(key)
        if page is not None:
            self.found.move_to_end(key)
            return page._replace(**extract_metadata(html, url)._asdict())
        page = engine(html, url)
        self.found[key] = page
        self.held += len(page.text) + ENTRY
        while self.held > self.limit:
            self.held -= len(self.found.popitem(last=False)[1].text) + ENTRY
        return page
