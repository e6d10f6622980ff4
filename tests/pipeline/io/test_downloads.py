"""Downloads from servers that break, lie or drip: the file as it is, or one line."""

import gzip
import http.server
import os
import random
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.io import downloads
from pipeline.io.downloads import InputError, fetch_file, hold_download_slot
from pipeline.io.inputs import open_input
from pipeline.io.settings import InputConfig

NOISE = random.Random(0).randbytes(200_000)
DATA = gzip.compress(NOISE[:100_000]) + gzip.compress(NOISE[100_000:])


class Server(http.server.BaseHTTPRequestHandler):
    """Serves DATA; the path says what goes wrong."""

    tries: dict[str, int] = {}

    def do_GET(self) -> None:
        name = self.path.strip("/").partition(".")[0]
        self.tries[name] = self.tries.get(name, 0) + 1
        getattr(self, f"serve_{name}")(self.tries[name])

    def send(self, status: int, body: bytes, sent: int | None = None, **headers: str) -> None:
        """Send a response, of whose body perhaps only the first bytes come."""
        self.send_response(status)
        self.send_header("ETag", '"v1"')
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:sent])

    def first_part(self) -> None:
        self.send(200, DATA, 100_000, Content_Length=str(len(DATA)))

    def range_start(self) -> int:
        return int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in self.headers else 0

    def serve_range(self, tries: int) -> None:
        """Break once, then send the wrong part as if it were the right one, then the file."""
        if tries == 1:
            self.first_part()
        elif "Range" in self.headers:
            self.send(206, DATA, Content_Length=str(len(DATA)), Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}")
        else:
            self.send(200, DATA, Content_Length=str(len(DATA)))

    def serve_unnamed(self, tries: int) -> None:
        """Never say which part a partial answer is."""
        if "Range" in self.headers:
            self.send(206, DATA[self.range_start() :])
        else:
            self.first_part()

    def serve_cut(self, tries: int) -> None:
        """Give no length and close early, once."""
        self.send(200, DATA, 150_000 if tries == 1 else None)

    def serve_short(self, tries: int) -> None:
        """Give no length and always close early."""
        self.send(200, DATA, 150_000)

    def serve_drip(self, tries: int) -> None:
        """Send a byte now and then, once."""
        if tries > 1:
            start = self.range_start()
            named = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
            self.send(206, DATA[start:], Content_Length=str(len(DATA) - start), Content_Range=named)
            return
        self.send(200, b"", Content_Length=str(len(DATA)))
        try:
            for place in range(100):
                self.wfile.write(DATA[place : place + 1])
                time.sleep(0.05)
        except OSError:
            pass

    def serve_packed(self, tries: int) -> None:
        """Compress the compressed file on the way."""
        packed = gzip.compress(DATA)
        self.send(200, packed, Content_Length=str(len(packed)), Content_Encoding="gzip")

    def serve_declared(self, tries: int) -> None:
        """Declare the file's own compression as the server's."""
        self.send(200, DATA, Content_Length=str(len(DATA)), Content_Encoding="gzip")

    def serve_loop(self, tries: int) -> None:
        self.send(302, b"", Location="/loop.warc.gz")

    def serve_chain(self, tries: int) -> None:
        self.send(302, b"", Location=f"/chain.{tries}.warc.gz")

    def serve_local(self, tries: int) -> None:
        self.send(301, b"", Location="file:///etc/passwd")

    def serve_moved(self, tries: int) -> None:
        self.send(301, b"", Location="/whole.warc.gz")

    def serve_whole(self, tries: int) -> None:
        time.sleep(0.2)
        self.send(200, DATA, Content_Length=str(len(DATA)))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.01)
    Server.tries = {}
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("name, tries", [("range", 3), ("cut", 2), ("drip", 2), ("declared", 1), ("moved", 1)])
def test_the_file_is_fetched_as_it_is(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tries: int
) -> None:
    monkeypatch.setattr(downloads, "SLOW_SECONDS", 0.5)
    target = tmp_path / "x"
    fetch_file(f"{server}/{name}.warc.gz", str(target), 4)
    assert target.read_bytes() == DATA
    assert Server.tries[name] == tries
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize(
    "name, message, tries",
    [
        ("unnamed", r"asked for the bytes from \d+ on, the server sent 'no Content-Range' \(tried 2 times\)", 2),
        ("short", r"the connection broke after 150000 bytes, inside a gzip member \(tried 2 times\)", 2),
        ("packed", r"compresses the file on the way \(Content-Encoding: gzip\) \(tried 2 times\)", 2),
        ("loop", "redirects in a loop", 1),
        ("chain", "more than 5 times", 6),
        ("local", "redirects to 'file:///etc/passwd', which is no web address", 1),
    ],
)
def test_what_cannot_be_fetched_is_one_line_and_no_file(
    server: str, tmp_path: Path, name: str, message: str, tries: int
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        fetch_file(f"{server}/{name}.warc.gz", str(tmp_path / "x"), 1)
    assert "\n" not in str(caught.value)
    assert Server.tries[name] == tries
    assert not (tmp_path / "x").exists()


def test_two_runs_that_share_a_cache_fetch_a_file_once(server: str, tmp_path: Path) -> None:
    config = InputConfig(cache=str(tmp_path))

    def read(_: int) -> bytes:
        with open_input(f"{server}/whole.warc.gz", config) as source:
            return source.read()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, range(4))) == {DATA}
    assert Server.tries["whole"] == 1


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(downloads, "TIMEOUTS", (1, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.warc.gz"
        with pytest.raises(InputError, match="x.warc.gz: .*timed out"):
            fetch_file(url, str(tmp_path / "x"), 1)


def test_download_slots_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"gristmill-slots-{os.getuid()}"
    folder.mkdir(mode=0o755)
    with hold_download_slot(1):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(InputError, match="belongs to another user"), hold_download_slot(1):
        pass
