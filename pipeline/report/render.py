"""Fills in the templates of the dataset card and the report."""

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.util import cache_from_source
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import jinja2
from jinja2.bccache import Bucket

from pipeline.report.facts import fraction


def render_template(template: str, values: Mapping[str, object]) -> str:
    """Return a template of `templates/` filled in. In HTML, every value is escaped."""
    return make_environment(template.endswith(".html")).get_template(template).render(values)


@cache
def make_environment(html: bool) -> jinja2.Environment:
    """Return what compiles the templates, each of them once."""
    options: dict[str, Any] = {
        "autoescape": html,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report", "templates"),
        undefined=jinja2.StrictUndefined,
        bytecode_cache=TemplateCache(str(options)),
        **options,
    )
    environment.filters |= {"n": format_number, "size": format_size, "share": format_share}
    environment.globals["fraction"] = fraction
    return environment


class TemplateCache(jinja2.BytecodeCache):
    """Keeps compiled templates where Python keeps compiled modules, as long as that can be written.

    A template is compiled again where it, the options, or the version of jinja2 or of Python is another.
    """

    def __init__(self, options: str):
        """Keep the templates of an environment with these options."""
        self.options = f"{options} {jinja2.__version__}"

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read a compiled template, if it is there."""
        with suppress(OSError, EOFError, ValueError, UnpicklingError), open(self.locate(bucket), "rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write a compiled template, in one step."""
        path = self.locate(bucket)
        partial = f"{path}.{os.getpid()}"
        with suppress(OSError):
            if not sys.dont_write_bytecode:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(partial, "wb") as file:
                    bucket.write_bytecode(file)
                os.replace(partial, path)

    def locate(self, bucket: Bucket) -> str:
        """Return the path of a compiled template."""
        key = hashlib.blake2b(f"{bucket.key} {self.options}".encode(), digest_size=8).hexdigest()
        return cache_from_source(str(Path(__file__).parent / "templates" / f"{key}.py"))


def read_template(name: str) -> str:
    """Return a file of `templates/` as it is."""
    return resources.files("pipeline.report").joinpath("templates", name).read_text(encoding="utf-8")


def format_number(number: int) -> str:
    """Return a number with commas between thousands."""
    return f"{number:,}"


def format_size(size: float) -> str:
    """Return a number of bytes in powers of 1000, such as 1.5 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def format_share(part: float) -> str:
    """Return a fraction as a percentage. A very small one is <0.1%, not 0.0%."""
    return "<0.1%" if 0 < part < 0.0005 else f"{part:.1%}"
