"""Fills in the templates of the dataset card and the report."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import jinja2

from pipeline.report.facts import fraction


def render_template(template: str, values: Mapping[str, object]) -> str:
    """Return a template of `templates/` filled in. In HTML, every value is escaped."""
    return make_environment(template.endswith(".html")).get_template(template).render(values)


@cache
def make_environment(html: bool) -> jinja2.Environment:
    """Return what compiles the templates, each of them once."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report", "templates"),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"n": format_number, "size": format_size, "share": format_share}
    environment.globals["fraction"] = fraction
    return environment


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
