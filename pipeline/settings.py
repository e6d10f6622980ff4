"""What every settings class shares: strict types, laying one mapping over another, errors of one line.

Each stage defines its settings as a frozen pydantic dataclass in its own folder; `pipeline.config` composes them.
This module imports nothing of the package.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import yaml
from pydantic import ConfigDict, Field, ValidationError

STRICT = ConfigDict(extra="forbid")

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class ConfigError(ValueError):
    """A setting or an input that cannot be used. The text is one line for the user."""


def merge_settings(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, Any]:
    """Return `base` with `over` laid on it, mapping by mapping. Neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        mine = merged.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        merged[key] = merge_settings(mine, value) if both else value  # type: ignore[arg-type]
    return merged


def read_override(text: str) -> dict[str, Any]:
    """Turn `a.b=value` (the value is YAML) into {"a": {"b": value}}. Raises ConfigError."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ConfigError(f"--set {text!r}: write it as key=value, for example --set dedup.threshold=0.9")
    try:
        parsed = parse_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    except ConfigError as error:
        raise ConfigError(f"--set {text!r}: {error}") from error
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)


class UniqueKeyLoader(yaml.SafeLoader):
    """Reads YAML, and refuses a key that stands twice in one mapping, of which the first would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping. Raises ConfigError for a repeated key."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise ConfigError(f"{key.value}: this key stands twice, in line {lines[key.value]} and line {line}")
                lines[key.value] = line
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text. Raises yaml.YAMLError; ConfigError for a key that stands twice in a mapping."""
    return yaml.load(text, UniqueKeyLoader)


def parse_own_yaml(source: str | IO[Any]) -> Any:
    """Return the value of YAML that the package ships or wrote; libyaml is ten times as fast, where PyYAML has it.

    Raises yaml.YAMLError.
    """
    return yaml.load(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_table(path: Path) -> Any:
    """Return what a YAML file of the package holds."""
    return parse_own_yaml(path.read_text(encoding="utf-8"))


def suggest_name(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def sibling_keys(location: tuple[str | int, ...], root: type) -> list[str]:
    """Return the keys that exist beside the last part of a location in a tree of dataclasses."""
    here: Any = root
    for part in location[:-1]:
        found = next((f.type for f in fields(here) if f.name == part), None) if is_dataclass(here) else None
        options = [found, *getattr(found, "__args__", ())]
        here = next((option for option in options if is_dataclass(option)), None)
    return [field.name for field in fields(here)] if here is not None else []


def describe_error(error: ValidationError, root: type, old_keys: Mapping[str, str]) -> str:
    """Turn pydantic's first error into one line: the key, its value, what is allowed, the nearest name.

    `root` is the class that was validated. `old_keys` gives the new name of a key that has been renamed.
    """
    first = error.errors(include_url=False)[0]
    location = tuple(part for part in first["loc"] if not str(part).startswith("function-") and part != "[key]")
    key = ".".join(str(part) for part in location)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        if key in old_keys:
            return f"{key}: this key is now {old_keys[key]}"
        known = sibling_keys(location, root)
        return f"{key}: no such key{suggest_name(str(location[-1]), known)} (known here: {', '.join(known)})"
    if first["type"] in ("missing", "missing_argument"):
        return f"{key}: this key is required"
    message = first["msg"].removeprefix("Value error, ").partition(" or an instance of")[0]
    message = message[0].lower() + message[1:]
    message = message.replace("valid tuple", "list").replace("dictionary", "mapping")
    hint = ""
    if first["type"] == "literal_error":
        hint = suggest_name(str(first["input"]), re.findall(r"'([^']*)'", first["ctx"]["expected"]))
    if first["type"] == "string_type" and isinstance(first["input"], bool):
        hint = '; in quotes ("no" for Norwegian) it is a word, without them YAML reads no as false and yes as true'
    return f"{key}: {first['input']!r} cannot be used: {message}{hint}"
