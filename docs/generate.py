"""The reference pages of docs/, written from the code.

    python -m docs.generate

Settings are described by the comments beside their fields and by their classes' docstrings, columns by the comments
beside them in `pipeline/io/schemas.py`, recipes by their own YAML. A test fails when a page is not what the code says.
"""

import ast
import dataclasses
import inspect
import io
import json
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import yaml

from pipeline.config import RECIPES, Config
from pipeline.filters.base import Filter
from pipeline.io import schemas
from pipeline.report import reasons

FOLDER = Path(__file__).parent
NOTICE = "<!-- Written by `python -m docs.generate`; do not edit by hand. -->"
WIDTH = 118


class Setting(NamedTuple):
    """One key of the configuration: its full name, its values in words, default, and meaning."""

    key: str
    values: str
    default: str
    meaning: str


class Section(NamedTuple):
    """A mapping of the configuration with its keys; `name` is "" for the top level."""

    name: str
    meaning: str
    settings: list[Setting]


def read_comments(source: str) -> dict[int, str]:
    """Return the comment of each line that has one, without its mark."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def read_meanings(cls: type) -> dict[str, tuple[ast.expr, str]]:
    """Return (annotation, comment) of each field of a settings class, as its source has them."""
    source = textwrap.dedent(inspect.getsource(cls))
    comments, lines = read_comments(source), source.splitlines()
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above, line = [], node.lineno - 1
            while lines[line - 1].lstrip().startswith("#"):
                above.insert(0, comments[line])
                line -= 1
            beside = [comments[n] for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if n in comments]
            found[node.target.id] = (node.annotation, " ".join([*above, *beside]))
    return found


PLAIN_TYPES = {
    "int": "whole number",
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "None": "null",
    "Any": "anything",
    "Positive": "whole number above 0",
    "Fraction": "number from 0 to 1",
    "Weight": "number from 0",
    "Domain": "name of a domain",
    "DumpName": "name (letters, digits, `.`, `_` and `-`)",
}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most", "min_length": "length at least"}


def describe_type(node: ast.expr) -> str:
    """Return the values that an annotation allows, in words."""
    if isinstance(node, ast.BinOp):
        return f"{describe_type(node.left)}, or {describe_type(node.right)}"
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        name = ast.unparse(node.value)
        if name == "Literal":
            return " or ".join(str(ast.literal_eval(part)) for part in parts)
        if name == "Annotated":
            bounds = [
                f"{BOUNDS[word.arg]} {ast.unparse(word.value)}"
                for part in parts[1:]
                for word in (part.keywords if isinstance(part, ast.Call) else [])
                if word.arg in BOUNDS
            ]
            return ", ".join([describe_type(parts[0]), *bounds])
        if name in ("tuple", "list", "Sequence"):
            return f"list of {describe_type(parts[0])}"
        if name in ("dict", "Mapping"):
            return f"mapping of {describe_type(parts[0])} to {describe_type(parts[1])}"
    text = ast.unparse(node)
    return PLAIN_TYPES.get(text, text)


def find_section_class(annotation: Any) -> type | None:
    """Return the settings class that an annotation names, alone or with None."""
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((option for option in options if isinstance(option, type) and dataclasses.is_dataclass(option)), None)


def default_of(field: dataclasses.Field[Any]) -> str:
    """Return a field's default as YAML writes it; "" for a key that must be given."""
    default = field.default
    if getattr(default, "default", dataclasses.MISSING) is not dataclasses.MISSING:  # pydantic's FieldInfo
        default = default.default
    factory = getattr(default, "default_factory", None) or field.default_factory
    if factory is not dataclasses.MISSING and callable(factory):
        default = factory()
    if default is dataclasses.MISSING or repr(default) == "PydanticUndefined" or default is Ellipsis:
        return ""
    return yaml.safe_dump(json.loads(json.dumps(default)), default_flow_style=True).removesuffix("...\n").strip()


def describe_threshold(cls: type, field: str) -> str:
    """Return what a filter's threshold does; "" for a field that is none."""
    if not issubclass(cls, Filter):
        return ""
    found = [threshold for threshold in cls().thresholds() if threshold.field == field]
    return "; ".join(
        f"the {'least' if threshold.is_minimum else 'highest'} `{threshold.measure}` that passes, else "
        f"`{threshold.reason}`"
        for threshold in found
    )


def walk_sections(cls: type, name: str = "", none: bool = False) -> Iterator[Section]:
    """Yield a settings class and those below it, in the order of their fields."""
    meanings, settings, below = read_meanings(cls), [], []
    for field in dataclasses.fields(cls):
        key = f"{name}.{field.name}".lstrip(".")
        annotation, meaning = meanings[field.name]
        meaning = meaning or describe_threshold(cls, field.name)
        section = find_section_class(field.type)
        if section is not None:
            below += list(walk_sections(section, key, none=field.default is None))
        else:
            settings.append(Setting(key, describe_type(annotation), default_of(field), meaning))
    doc = " ".join((inspect.getdoc(cls) or "").split())
    yield Section(name, doc + (" Off by default." if none else ""), settings)
    yield from below


def escape_cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def render_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(escape_cell(cell) for cell in row) + " |" for row in lines) + "\n"


def render_settings() -> str:
    """Return docs/settings.md."""
    parts = [
        "# Settings",
        NOTICE,
        wrap(
            "A config is a YAML file of a few lines, laid over the recipe that it names. Every key has a default but "
            "`inputs` and `output`. `--set a.b=value` lays one key over the file. An unknown key, a wrong type or an "
            "impossible value ends the command with one line that names the key and the nearest name."
        ),
    ]
    for section in walk_sections(Config):
        parts.append(f"## `{section.name}`" if section.name else "## Top level")
        parts.append(wrap(section.meaning))
        rows = [
            (f"`{s.key}`", s.values, f"`{s.default}`" if s.default else "required", s.meaning) for s in section.settings
        ]
        if rows:
            parts.append(render_table(("key", "values", "default", "meaning"), rows).rstrip("\n"))
    return "\n\n".join(parts) + "\n"


def render_recipes() -> str:
    """Return docs/recipes.md."""
    parts = [
        "# Recipes",
        NOTICE,
        "A recipe is a set of settings that a config is laid over. `recipe: NAME` chooses one.",
    ]
    for path in sorted(RECIPES.glob("*.yaml")):
        recipe = yaml.safe_load(path.read_text())
        parts.append(f"## `{path.stem}`")
        parts.append(wrap(" ".join(str(recipe.pop("description")).split())))
        body = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100).rstrip() if recipe else ""
        parts.append(f"```yaml\n{body}\n```" if body not in ("", "{}") else "It sets nothing.")
    return "\n\n".join(parts) + "\n"


def read_schema_comments(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return the comment beside each column of each schema of a module, by the schema's name."""
    source = inspect.getsource(module)
    comments, found = read_comments(source), {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            columns = {}
            for part in ast.walk(node.value):
                if isinstance(part, ast.Tuple) and part.elts and isinstance(part.elts[0], ast.Constant):
                    lines = range(part.lineno, (part.end_lineno or part.lineno) + 1)
                    columns[str(part.elts[0].value)] = " ".join(comments[n] for n in lines if n in comments)
            found[node.targets[0].id] = columns
    return found


FOLDERS = {
    "documents/": ("DOCUMENT", "a page that was kept: its text, where it came from, what was measured"),
    "rejected/": ("REJECTED", "a page that was not kept: the stage, the reason, and the measure that failed"),
    "duplicates/": ("DUPLICATE", "a kept page that another page stands for"),
    "repeated_lines/": ("REPEATED_LINE", "a line that is removed from a page because many pages have it"),
    "contaminated/": ("CONTAMINATED", "a span of a page that an item of an evaluation set holds too"),
    "corpus/": ("CORPUS", "a published page"),
}


def render_columns() -> str:
    """Return docs/columns.md."""
    parts = ["# Columns", NOTICE, "What a row of each Parquet folder of an output holds."]
    comments = read_schema_comments(schemas)
    for folder, (name, meaning) in FOLDERS.items():
        parts.append(f"## `{folder}`\n\nA row is {meaning}.")
        rows = []
        for column in getattr(schemas, name):
            kind = "struct of measures" if column.name == "measures" else str(column.type)
            rows.append((f"`{column.name}`", f"`{kind}`", comments[name].get(column.name, "")))
        parts.append(render_table(("column", "type", "meaning"), rows).rstrip("\n"))
    return "\n\n".join(parts) + "\n"


def wrap(text: str) -> str:
    """Return a paragraph in lines of bounded length."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def render_reasons() -> str:
    """Return docs/reasons.md."""
    groups = {
        "Rejected pages": ("Why a page is in `rejected/`, as `stage/reason`.", reasons.REJECTION_REASONS),
        "Filters": ("Reasons of the built-in filters, with what is measured.", reasons.describe_filter_reasons()),
        "Duplicates": ("Why a kept page is in `duplicates/`.", reasons.DUPLICATE_KINDS),
        "Pages that are not published": ("The keys of `held_out`.", reasons.EXCLUSION_REASONS),
        "Unreadable bytes": ("Why bytes of an input are no record.", reasons.UNREADABLE_REASONS),
    }
    parts = ["# Reasons", NOTICE, "What the reasons mean that the ledger, the report and `inspect` show."]
    for title, (meaning, table) in groups.items():
        rows = [(f"`{key}`", text) for key, text in table.items()]
        parts += [f"## {title}", meaning, render_table(("reason", "meaning"), rows).rstrip("\n")]
    return "\n\n".join(parts) + "\n"


PAGES = {
    "settings.md": render_settings,
    "recipes.md": render_recipes,
    "columns.md": render_columns,
    "reasons.md": render_reasons,
}


def main() -> int:
    """Write every page."""
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render(), encoding="utf-8")
        print(FOLDER / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
