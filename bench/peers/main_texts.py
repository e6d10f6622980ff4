"""Extract pages with rs-trafilatura and with trafilatura: `python main_texts.py PAGES ANSWERS`.

PAGES has a JSON line a page: `html` and `url`. ANSWERS gets a JSON line a page: for each tool, its text and the CPU
seconds that it took. This runs with the Python of an environment of its own, so it imports nothing of this project.
"""

import json
import logging
import sys
import time
from collections.abc import Callable

import rs_trafilatura
import trafilatura


def extract_rust(html: str, url: str) -> str:
    """Return the main text by rs-trafilatura, with its default settings."""
    return rs_trafilatura.extract(html, url=url).main_content or ""


def extract_python(html: str, url: str) -> str:
    """Return the main text by trafilatura, with its default settings."""
    return trafilatura.extract(html, url=url) or ""


TOOLS: dict[str, Callable[[str, str], str]] = {"rs-trafilatura": extract_rust, "trafilatura": extract_python}


def main(pages: str, answers: str) -> None:
    """Extract every page with every tool. A page that a tool refuses has the text ""."""
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    with open(pages, encoding="utf-8") as lines, open(answers, "w", encoding="utf-8") as out:
        for line in lines:
            page, found = json.loads(line), {}
            for name, extract in TOOLS.items():
                start = time.process_time()
                try:
                    text = extract(page["html"], page["url"])
                except Exception as error:  # a tool may raise anything over a broken page
                    print(f"{name}: {page['url']}: {type(error).__name__}: {error}", file=sys.stderr)
                    text = ""
                found[name] = {"text": text, "seconds": time.process_time() - start}
            out.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
