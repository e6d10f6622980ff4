"""The emulated bucket, by the JSON interface of Google Cloud Storage."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

NAME = "rehearsal-bucket"
SECONDS = 60


class EmulatedBucket:
    """A bucket of fake-gcs-server at an address such as http://localhost:4443."""

    def __init__(self, address: str):
        """Make the bucket."""
        self.address = address
        self.objects = f"{address}/storage/v1/b/{NAME}/o"
        created = requests.post(
            f"{address}/storage/v1/b", params={"project": "rehearsal"}, json={"name": NAME}, timeout=SECONDS
        )
        created.raise_for_status()

    def put_file(self, path: Path, name: str) -> str:
        """Put a file under a name; return its gs:// address."""
        sent = requests.post(
            f"{self.address}/upload/storage/v1/b/{NAME}/o",
            params={"uploadType": "media", "name": name},
            data=path.read_bytes(),
            timeout=SECONDS,
        )
        sent.raise_for_status()
        return f"gs://{NAME}/{name}"

    def list_objects(self, prefix: str) -> dict[str, str]:
        """Return the generation of each object under a prefix, by name."""
        found: dict[str, str] = {}
        page: dict[str, str] = {}
        while True:
            reply = requests.get(self.objects, params={"prefix": prefix, **page}, timeout=SECONDS)
            reply.raise_for_status()
            answer: dict[str, Any] = reply.json()
            found |= {item["name"]: item["generation"] for item in answer.get("items", [])}
            if "nextPageToken" not in answer:
                return found
            page = {"pageToken": answer["nextPageToken"]}

    def copy_out(self, prefix: str, folder: Path) -> None:
        """Copy all objects under a prefix into a folder; names lose the prefix."""
        for name in self.list_objects(prefix):
            target = folder / name.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            reply = requests.get(f"{self.objects}/{quote(name, safe='')}", params={"alt": "media"}, timeout=SECONDS)
            reply.raise_for_status()
            target.write_bytes(reply.content)
