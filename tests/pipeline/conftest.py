"""A small crawl and the output of an uninterrupted run over it, shared by the tests of the jobs; both are only read."""

from pathlib import Path

import pytest

from pipeline.cli.run import run
from pipeline.config import Config, build_config
from tests.pipeline.crawls import article, html, pages, record, response, write_warc

SETTINGS = {"publish": {"validation": 0.2, "shard_mb": 1}, "tokenizer": {"vocab_size": 600}}


@pytest.fixture(scope="session")
def crawl(tmp_path_factory) -> list[str]:
    """Three inputs: per-record gzip, plain, and one with damage between two good pages."""
    folder = tmp_path_factory.mktemp("crawl")
    good = pages(60)
    robots = response("https://quiet.example/", html(article(900), head="<meta name=robots content=noai>"), 900)
    pdf = record(
        "response",
        "https://site1.example/a",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n%PDF-1",
        901,
    )
    files = [
        write_warc(folder / "a.warc.gz", [*good[:30], robots, record("request", "https://x.example/", b"GET /", 902)]),
        write_warc(folder / "b.warc", [*good[30:50], pdf], compress=False),
    ]
    damaged = folder / "c.warc.gz"
    write_warc(damaged, good[50:55])
    with open(damaged, "ab") as out:
        out.write(b"\xff" * 777)
    write_warc(folder / "tail.warc.gz", good[55:])
    with open(damaged, "ab") as out:
        out.write((folder / "tail.warc.gz").read_bytes())
    (folder / "tail.warc.gz").unlink()
    return [*files, str(damaged)]


def config(crawl, output, **over) -> Config:
    """Return the settings of the tests' runs, over the given inputs."""
    return build_config({"inputs": list(crawl), "output": str(output), "recipe": "default", **SETTINGS, **over})


@pytest.fixture(scope="session")
def done(crawl, tmp_path_factory) -> Path:
    """The output of an uninterrupted run with one worker."""
    output = tmp_path_factory.mktemp("done") / "out"
    run(config(crawl, output, workers=1))
    return output
