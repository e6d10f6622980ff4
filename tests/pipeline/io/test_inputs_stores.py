"""Inputs and outputs in an object store: servers on this machine, spoken to as the real ones are."""

import socket
from collections.abc import Iterator

import pytest
import requests

from pipeline.io.inputs import InputError, expand_inputs, open_input
from pipeline.io.output import Output
from pipeline.io.settings import InputConfig

FILES = {f"segment/{name}.warc.gz": name.encode() * 1000 for name in ("a", "b")}


@pytest.fixture(scope="module", params=["s3", "gs"])
def bucket(request) -> Iterator[str]:
    """The address of a bucket that holds two files."""
    with pytest.MonkeyPatch.context() as patch:
        yield from {"s3": s3, "gs": gs}[request.param](patch)


def s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "y"), ("DEFAULT_REGION", "us-east-1")):
        patch.setenv(f"AWS_{key}", value)
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket="crawl")
    for name, body in FILES.items():
        client.put_object(Bucket="crawl", Key=name, Body=body)
    yield "s3://crawl"
    server.stop()


def gs(patch: pytest.MonkeyPatch) -> Iterator[str]:
    from gcp_storage_emulator.server import create_server

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="crawl")
    server.start()
    patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    upload = f"http://127.0.0.1:{port}/upload/storage/v1/b/crawl/o"
    for name, body in FILES.items():
        requests.post(upload, params={"uploadType": "media", "name": name}, data=body, timeout=10).raise_for_status()
    yield "gs://crawl"
    server.stop()


def test_files_are_listed_and_fetched(bucket):
    found = expand_inputs((f"{bucket}/segment/*.warc.gz",), InputConfig(), 0)
    assert [item.path for item in found] == [f"{bucket}/segment/a.warc.gz", f"{bucket}/segment/b.warc.gz"]
    with open_input(found[1].path, InputConfig()) as source:
        assert source.read() == b"b" * 1000


def test_what_is_not_there_is_one_line(bucket):
    with pytest.raises(InputError, match="no file matches"):
        expand_inputs((f"{bucket}/other/*.warc.gz",), InputConfig(), 0)
    with (
        pytest.raises(InputError, match=r"none\.warc\.gz: cannot be fetched") as caught,
        open_input(f"{bucket}/none.warc.gz", InputConfig()),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_an_output_may_lie_there(bucket):
    output = Output(f"{bucket}/out")
    output.write_json({"a": 1}, "documents", "x.json")
    assert output.list("documents") == ["x.json"]
    assert output.read_json("documents", "x.json") == {"a": 1}
    output.remove("documents")
    assert output.list("documents") == []
