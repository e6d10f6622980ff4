"""`explain-page`: every block with its score, hostile text as text, nothing loaded, and one line for bad input."""

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.__main__ import main
from tests.pipeline.report.test_html import HOSTILE, Page

WORDS = "The river turns the wheel, the wheel turns the stone, and nobody remembers another time."
HTML = f"""<html><head><title>Mills {HOSTILE}</title></head><body><nav><a href=/>Home</a> <a href=/a>About us</a></nav>
<main><h1>Mills</h1><p>{WORDS}</p><p>&lt;script&gt;alert(1)&lt;/script&gt; is text here. {WORDS}</p></main>
<footer>Imprint</footer></body></html>"""


def test_a_page_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.html").write_text(HTML)
    target = tmp_path / "out.html"
    assert main(["explain-page", str(tmp_path / "page.html"), "--output", str(target)]) == 0
    shown = target.read_text()
    page = Page(shown)
    assert capsys.readouterr().out.startswith(f"{target}: 3 of ")
    assert "script" not in page.tags and "img" not in page.tags and not page.open
    assert "default-src 'none'" in shown and not any(
        name in ("src", "onerror", "href") for _, name, _ in page.attributes
    )
    assert shown.count('<article class="block kept">') == 3 and '<article class="block out">' in shown
    assert "&lt;script&gt;alert(1)" in shown and WORDS in shown and "kept: its score" in shown


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Return the address of a server that has page.html."""
    (tmp_path / "page.html").write_text(HTML)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_address_is_fetched(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.html"
    assert main(["explain-page", f"{address}/page.html", "--output", str(target), "--objective", "recall"]) == 0
    assert WORDS in target.read_text()
    assert main(["explain-page", f"{address}/none.html", "--output", str(target)]) == 1
    assert capsys.readouterr().err.endswith(f"error: {address}/none.html: the server answers 404\n")


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, "no such file"), (b"", "the page is empty"), (b"<p> </p>", "has no text"), (b"\x1f\x8b", "is no HTML file"),
     (b"%PDF-1.4", "is no HTML file")],
)  # fmt: skip
def test_what_is_no_page_is_one_line(
    content: bytes | None, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.html"
    if content is not None:
        path.write_bytes(content)
    assert main(["explain-page", str(path), "--output", str(tmp_path / "out.html")]) == 1
    printed = capsys.readouterr().err
    assert error in printed and str(path) in printed and printed.count("\n") == 1
    assert not (tmp_path / "out.html").exists()
