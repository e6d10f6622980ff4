"""What a page asks of robots: X-Robots-Tag, robots meta tags, and the TDM reservation protocol."""

from collections.abc import Iterator, Sequence

from pydantic.dataclasses import dataclass

from pipeline.html.metadata import read_head_tags
from pipeline.settings import STRICT

DIRECTIVES = frozenset(
    "all none index noindex follow nofollow noarchive nocache nosnippet noimageindex notranslate noodp noydir "
    "indexifembedded noai noimageai".split()
)
ROBOT_NAMES = frozenset(("robots", "googlebot", "bingbot", "slurp", "teoma", "ai-robots"))
ROBOT_WORDS = ("bot", "slurp", "teoma", "tdm-reservation")  # parts of all names that are read


@dataclass(frozen=True, config=STRICT)
class RobotsConfig:
    """Which of a page's own wishes are honoured (headers and meta tags); each is counted as a reason."""

    noindex: bool = False  # drop pages that say noindex
    noai: bool = True  # drop pages that say noai
    tdm_reservation: bool = True  # drop pages that reserve text and data mining


def robots_directives(headers: Sequence[tuple[str, str]], html: str) -> frozenset[str]:
    """Return what the page asks: a subset of DIRECTIVES and "tdm-reservation"; `none` also gives noindex and nofollow.

    `headers` are the response's (name, value) pairs. Of the HTML only the head is read; comments and scripts do not
    count. A wish addressed to one robot by name counts as a wish to all. Never raises.
    """
    found: set[str] = set()
    for name, value in headers:
        name = name.strip().lower()
        if name == "x-robots-tag":
            found.update(_parse_directives(value))
        elif name == "tdm-reservation" and value.strip() == "1":
            found.add("tdm-reservation")
    for tag in read_head_tags(html, ROBOT_WORDS):
        if tag.name != "meta":
            continue
        name = tag.attributes.get("name", tag.attributes.get("http-equiv", "")).strip().lower()
        content = tag.attributes.get("content", "")
        if name == "x-robots-tag" or name in ROBOT_NAMES or name.endswith("bot"):
            found.update(_parse_directives(content))
        elif name == "tdm-reservation" and content.strip() == "1":
            found.add("tdm-reservation")
    if "none" in found:
        found.update(("noindex", "nofollow"))
    return frozenset(found)


def _parse_directives(value: str) -> Iterator[str]:
    """Yield the known directives of one header or content value ("otherbot: noindex, nofollow")."""
    for piece in value.lower().replace(";", ",").split(","):
        for word in piece.rpartition(":")[2].split():
            if word in DIRECTIVES:
                yield word
