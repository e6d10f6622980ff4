"""Which blocks the title, the description and the JSON-LD of a page quote. These come with cases folded."""

from pipeline.html.main_content.kernels.arrays import Floats

SHORTEST_PART = 4  # characters of a part of a title


def share_title(title: str, texts: list[str], share: Floats) -> None:
    """Write the share of the title that each text is, 0 where it is no part of it."""
    longest = len(title)
    for number, text in enumerate(texts):
        size = len(text)
        share[number] = size / longest if SHORTEST_PART <= size <= longest and text.casefold() in title else 0.0


def find_description(description: str, texts: list[str], shown: int, found: Floats) -> None:
    """Write 1 for each text that holds the first characters, of which there are so many, of the description, .5 for one
    whose own first characters are in it, 0 for the others.
    """
    begins = description[:shown]
    for number, text in enumerate(texts):
        found[number] = 0.0
        if len(text) >= shown:
            folded = text.casefold()
            if begins in folded:
                found[number] = 1.0
            elif folded[:shown] in description:
                found[number] = 0.5


def find_statements(stated: str, texts: list[str], shortest: int, shown: int, found: Floats) -> None:
    """Write 1 for each text of some length whose first characters, of which there are so many without white space
    beyond one, are in what is stated; 0 for the others.
    """
    for number, text in enumerate(texts):
        found[number] = 0.0
        if len(text) >= shortest and " ".join(text[: 2 * shown].casefold().split())[:shown] in stated:
            found[number] = 1.0
