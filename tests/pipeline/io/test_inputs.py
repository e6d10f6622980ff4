"""Inputs: what patterns name, and fetching from a server that misbehaves as crawls' servers do."""

import gzip
import http.server
import threading

import pytest

from pipeline.io import downloads, inputs
from pipeline.io.inputs import InputError, expand_inputs, open_input
from pipeline.io.settings import InputConfig

DATA = bytes(range(256)) * 4096  # 1 MiB


class Server(http.server.BaseHTTPRequestHandler):
    """Serves DATA; what goes wrong is in the path."""

    tries: dict[str, int] = {}
    ranges: list[str] = []

    def do_GET(self):
        tries = self.tries[self.path] = self.tries.get(self.path, 0) + 1
        if "busy" in self.path and tries <= 2:
            self.send_response(503 if tries == 1 else 403)
            self.send_header("Retry-After", "0")
            self.end_headers()
            return
        if "absent" in self.path:
            self.send_error(404)
            return
        start = 0
        if "Range" in self.headers:
            self.ranges.append(self.headers["Range"])
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        body = gzip.compress(b"crawl/a.warc.gz\ncrawl/b.warc.gz\n") if "paths" in self.path else DATA
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        end = len(body) // 3 if "breaks" in self.path and tries == 1 else len(body)
        self.wfile.write(body[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.01)
    Server.tries, Server.ranges = {}, []
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def read(url, **config) -> bytes:
    with open_input(url, InputConfig(**config)) as source:
        return source.read()


def test_a_busy_server_is_asked_again(server):
    assert read(f"{server}/busy.warc.gz") == DATA
    assert Server.tries["/busy.warc.gz"] == 3


def test_a_broken_download_goes_on_by_range(server):
    assert read(f"{server}/breaks.warc.gz") == DATA
    (resumed,) = Server.ranges
    assert len(DATA) // 3 - downloads.BLOCK < int(resumed.removeprefix("bytes=").rstrip("-")) <= len(DATA) // 3


def test_what_was_fetched_into_the_cache_is_not_fetched_again(server, tmp_path):
    for _ in range(2):
        assert read(f"{server}/x.warc.gz", cache=str(tmp_path / "cache")) == DATA
    assert Server.tries["/x.warc.gz"] == 1


def test_a_file_that_is_not_there_is_one_line_at_once(server):
    with pytest.raises(InputError, match=r"absent\.warc\.gz: HTTP 404"):
        read(f"{server}/absent.warc.gz")
    assert Server.tries["/absent.warc.gz"] == 1


def test_a_server_that_never_recovers_is_given_up_with_the_status(server):
    with pytest.raises(InputError, match=r"HTTP 503 \(tried 1 times\)"):
        read(f"{server}/busy.warc.gz", retries=0)


def test_no_network_is_one_line(monkeypatch):
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.01)
    with pytest.raises(InputError, match="is there a network"):
        read("http://127.0.0.1:9/x.warc.gz")


def test_a_list_of_paths_is_read_with_prefix_limit_and_sample(server):
    found = expand_inputs((f"{server}/warc.paths.gz",), InputConfig(prefix=f"{server}/data/"), seed=0)
    assert [item.path for item in found] == [f"{server}/data/crawl/a.warc.gz", f"{server}/data/crawl/b.warc.gz"]
    assert len(expand_inputs((f"{server}/warc.paths.gz",), InputConfig(limit=1), seed=0)) == 1
    drawn = {
        expand_inputs((f"{server}/warc.paths.gz",), InputConfig(sample=1), seed=seed)[0].path for seed in range(20)
    }
    assert len(drawn) == 2
    assert all(path.startswith("https://data.commoncrawl.org/crawl/") for path in drawn)


def test_paths_globs_and_folders(tmp_path):
    for name in ("b.warc.gz", "a.warc", "c.arc.gz", "d.warc.wet.gz", "e.warc.zst", "notes.txt", "sub/f.warc.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    folder = expand_inputs((str(tmp_path),), InputConfig(), 0)
    names = [item.path.removeprefix(f"{tmp_path}/") for item in folder]
    assert names == ["a.warc", "b.warc.gz", "c.arc.gz", "d.warc.wet.gz", "e.warc.zst", "sub/f.warc.gz"]
    assert not any(item.named for item in folder)
    twice = expand_inputs((f"{tmp_path}/*.warc.gz", f"{tmp_path}/b.warc.gz"), InputConfig(), 0)
    assert [(item.path, item.named) for item in twice] == [(f"{tmp_path}/b.warc.gz", True)]
    order = expand_inputs((f"{tmp_path}/b.warc.gz", f"{tmp_path}/a.warc"), InputConfig(), 0)
    assert order == expand_inputs((f"{tmp_path}/a.warc", f"{tmp_path}/b.warc.gz"), InputConfig(), 0)


@pytest.mark.parametrize(
    "pattern, needle",
    [
        ("none.warc.gz", "no such input"),
        ("*.warc", "no file matches"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path, pattern, needle):
    with pytest.raises(InputError, match=needle):
        expand_inputs((f"{tmp_path}/{pattern}",), InputConfig(), 0)


def test_a_folder_without_crawl_files_is_one_line(tmp_path):
    with pytest.raises(InputError, match="holds no .warc"):
        expand_inputs((str(tmp_path),), InputConfig(), 0)


@pytest.mark.parametrize(
    "address, needle",
    [
        ("ftp://host/a.warc.gz", "no way to read ftp://"),
        ("s3://commoncrawl/", "names no file"),
        ("https://host", "names no file"),
    ],
)
def test_an_address_that_cannot_be_read_is_one_line_at_once(address, needle):
    with pytest.raises(InputError, match=needle):
        expand_inputs((address,), InputConfig(), 0)


def test_one_file_under_two_spellings_is_one_input(tmp_path, monkeypatch):
    (tmp_path / "a.warc.gz").write_bytes(b"x")
    (tmp_path / "link.warc.gz").symlink_to(tmp_path / "a.warc.gz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = ("./a.warc.gz", "a.warc.gz", "~/a.warc.gz", f"{tmp_path}/a.warc.gz", "link.warc.gz", "*.warc.gz")
    for patterns in (spellings, spellings[::-1]):
        (item,) = expand_inputs(patterns, InputConfig(), 0)
        assert item.path == "a.warc.gz" and item.named


def test_a_home_folder_is_written_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a.warc.gz").write_bytes(b"x")
    (tmp_path / "warc.paths").write_text(f"{tmp_path}/crawl/a.warc.gz\n")
    for pattern in ("~/crawl", "~/crawl/*.gz", "~/crawl/a.warc.gz", "file://~/crawl/a.warc.gz", "~/warc.paths"):
        assert [item.path for item in expand_inputs((pattern,), InputConfig(), 0)] == [f"{tmp_path}/crawl/a.warc.gz"]


def test_a_long_address_has_a_short_name_in_the_cache():
    names = {inputs.cached_name("https://example.org/" + "a" * 300 + f"{n}.warc.gz?x=1") for n in range(2)}
    assert len(names) == 2 and all(len(name) < 200 and name.endswith(".warc.gz_x_1") for name in names)
