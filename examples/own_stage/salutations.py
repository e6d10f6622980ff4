"""A stage of your own, named in the config: it removes salutations, and rejects pages that are little else.

Run `PYTHONPATH=. gristmill extract config.yaml` in this folder, after you have named a crawl file in
`config.yaml`. A stage is a class with a method `process_pages`; its fields are settings in the config. It gets the
pages that no earlier stage rejected, some hundred at a time, and returns all of them: changed copies, made by
`dataclasses.replace`, or with a `rejection`. The ledger counts these as `remove_salutations/too-short`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline import Page, Rejection


@dataclass(frozen=True)
class RemoveSalutationsStage:
    """Removes lines that begin with a salutation."""

    salutations: tuple[str, ...] = ("Dear reader",)
    min_characters: int = 200  # that must remain

    def process_pages(self, pages: Sequence[Page]) -> list[Page]:
        """Return the pages without salutations."""
        return [self.process_page(page) for page in pages]

    def process_page(self, page: Page) -> Page:
        """Return one page without salutations, rejected where too little text remains."""
        lines = (page.text or "").split("\n")
        text = "\n".join(line for line in lines if not line.startswith(self.salutations))
        page = replace(page, text=text)
        if len(text) < self.min_characters:
            rejection = Rejection("remove_salutations", "too-short", len(text), "characters", self.min_characters)
            return replace(page, rejection=rejection)
        return page
