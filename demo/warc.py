"""Write a WARC file as Common Crawl does. Dates, ids and digests follow from the content, so the bytes repeat."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# Any fixed value. Record ids are name-based (RFC 9562, version 5), so they are the same every time.
NAMESPACE = uuid.UUID("6f1c8a52-6c0e-5d5b-9d0c-2f4a5f1d7a10")
CRAWL = "GRISTMILL-DEMO-2024-22"
START = datetime(2024, 5, 21, 3, 17, 42)
REASONS = {
    200: "OK",
    301: "Moved Permanently",
    302: "Found",
    304: "Not Modified",
    404: "Not Found",
    410: "Gone",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def format_digest(data: bytes) -> str:
    """Return the digest in the form of WARC headers: `sha1:` and base 32."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


@dataclass
class Capture:
    """A fetched URL: its HTTP status, headers and the body as transferred.

    `payload` is the digested data if it differs from the body (a body with a transfer coding). `extra` adds or
    replaces WARC headers of the response record. `kind` is `response` or `revisit`.
    """

    url: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    payload: bytes | None = None
    extra: dict[str, str] = field(default_factory=dict)
    kind: str = "response"
    metadata: dict[str, object] = field(default_factory=dict)


class WarcFile:
    """Collects records, one gzip member each. `types` counts them by type."""

    def __init__(self) -> None:
        self._members: list[bytes] = []
        self.size = 0
        self.types: dict[str, int] = {}
        self.info_id = self._id("warcinfo")
        fields = (
            f"isPartOf: {CRAWL}\r\npublisher: Gristmill\r\nsoftware: demo.generate\r\n"
            "description: Pages written for `make demo`; nothing was fetched and no such site exists\r\n"
            "robots: n/a\r\nformat: WARC File Format 1.1\r\n"
            "conformsTo: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n\r\n"
        ).encode()
        self._add(
            "warcinfo",
            self.info_id,
            START,
            {"Content-Type": "application/warc-fields", "WARC-Filename": "sample.warc.gz"},
            fields,
        )

    @staticmethod
    def _id(name: str) -> str:
        return f"<urn:uuid:{uuid.uuid5(NAMESPACE, name)}>"

    def _add(self, kind: str, record_id: str, when: datetime, headers: dict[str, str], block: bytes) -> int:
        lines = {
            "WARC-Type": kind,
            "WARC-Date": f"{when:%Y-%m-%dT%H:%M:%SZ}",
            "WARC-Record-ID": record_id,
            "Content-Length": str(len(block)),
            **headers,
        }
        head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        # wbits 31 writes a gzip member without name and time, so that the bytes repeat.
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        member = packer.compress(head.encode() + block + b"\r\n\r\n") + packer.flush()
        offset = self.size
        self._members.append(member)
        self.size += len(member)
        self.types[kind] = self.types.get(kind, 0) + 1
        return offset

    def add(self, capture: Capture, number: int) -> tuple[str, int]:
        """Append request, response (or revisit) and metadata records. Returns the id and offset of the response."""
        when = START + timedelta(seconds=7 * number)
        host, _, rest = capture.url.partition("://")[2].partition("/")
        name = f"{number} {capture.url}"
        response_id = self._id(f"response {name}")
        octets = hashlib.sha1(host.encode()).digest()
        common = {
            "WARC-Warcinfo-ID": self.info_id,
            "WARC-IP-Address": f"198.51.100.{octets[0]}",
            "WARC-Target-URI": capture.url,
        }
        request = (
            f"GET /{rest} HTTP/1.1\r\nUser-Agent: GristmillDemo/1.0\r\nAccept: text/html,*/*;q=0.8\r\n"
            f"Accept-Encoding: gzip\r\nHost: {host}\r\nConnection: Keep-Alive\r\n\r\n"
        ).encode()
        self._add(
            "request",
            self._id(f"request {name}"),
            when,
            {"Content-Type": "application/http; msgtype=request", "WARC-Concurrent-To": response_id, **common},
            request,
        )
        status = f"HTTP/1.1 {capture.status} {REASONS[capture.status]}\r\n"
        block = (status + "".join(f"{k}: {v}\r\n" for k, v in capture.headers) + "\r\n").encode() + capture.body
        payload = capture.body if capture.payload is None else capture.payload
        offset = self._add(
            capture.kind,
            response_id,
            when,
            {
                "Content-Type": "application/http; msgtype=response",
                **common,
                "WARC-Payload-Digest": format_digest(payload),
                "WARC-Block-Digest": format_digest(block),
                **capture.extra,
            },
            block,
        )
        fields = {
            "fetchTimeMs": str(int.from_bytes(octets[1:3], "big") % 900 + 20),
            **{key: value if isinstance(value, str) else json.dumps(value) for key, value in capture.metadata.items()},
        }
        text = "".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n"
        self._add(
            "metadata",
            self._id(f"metadata {name}"),
            when,
            {"Content-Type": "application/warc-fields", "WARC-Concurrent-To": response_id, **common},
            text.encode(),
        )
        return response_id, offset

    def join_members(self) -> bytes:
        """Return the whole file."""
        return b"".join(self._members)

    def cut_inside(self, offset: int) -> bytes:
        """Return the file up to the middle of the member at `offset`, as after a broken download."""
        data = self.join_members()
        end = offset + len(self._members[self._index(offset)])
        return data[: (offset + end) // 2]

    def _index(self, offset: int) -> int:
        position = 0
        for index, member in enumerate(self._members):
            if position == offset:
                return index
            position += len(member)
        raise ValueError(f"no record starts at byte {offset}")
