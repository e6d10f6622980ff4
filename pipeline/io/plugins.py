"""Parts of a user's own: a filter, an engine or a stage that the config names as `package.module:Name`.

A part is imported by its name in every process that needs it, so it works with any runner whose workers can import it.
"""

import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.settings import ConfigError, describe_error, suggest_name


def load_object(use: str, key: str) -> Any:
    """Return the object that `use` names, for example "my_package.filters:ReadMore".

    `key` is the config key that holds `use`. Raises ConfigError with one line that begins with `key` where `use` has
    another form, the module cannot be imported, or the module has no such name.
    """
    module_name, colon, name = use.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *name.split(".")]):
        raise ConfigError(f"{key}: {use!r} cannot be used: write it as package.module:Name")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"{key}: there is no module {error.name!r} to import; install it, or put its folder on PYTHONPATH"
            ) from error
        raise ConfigError(f"{key}: {module_name} cannot be imported: {error}") from error
    except Exception as error:  # a module may raise anything while it is imported
        message = " ".join(str(error).split())
        raise ConfigError(f"{key}: {module_name} cannot be imported: {type(error).__name__}: {message}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = [other for other in vars(found) if not other.startswith("_")]
            raise ConfigError(f"{key}: {module_name} has no {name!r}{suggest_name(part, known)}")
        found = getattr(found, part)
    return found


def make_object(use: str, settings: Mapping[str, object], key: str, other_keys: Sequence[str] = ("use",)) -> Any:
    """Return an instance of the class that `use` names, made with `settings`.

    `key` is the config key of the mapping that holds `other_keys` and the settings. The settings of a dataclass are
    checked by its annotations. Raises ConfigError with one line where the class cannot be imported or made.
    """
    cls = load_object(use, f"{key}.use")
    if not isinstance(cls, type):
        raise ConfigError(f"{key}.use: {use} is no class")
    known = list_setting_names(cls)
    for name in settings:
        if known is not None and name not in known:
            there = ", ".join([*other_keys, *known])
            raise ConfigError(f"{key}.{name}: no such key{suggest_name(name, known)} (known here: {there})")
    try:
        return TypeAdapter(cls).validate_python(dict(settings)) if is_dataclass(cls) else cls(**settings)
    except ValidationError as error:
        raise ConfigError(f"{key}.{describe_error(error, cls, {})}") from error
    except Exception as error:  # a user's class may raise anything
        raise ConfigError(f"{key}: {use} cannot be made: {describe_exception(error)}") from error


def list_setting_names(cls: type) -> list[str] | None:
    """Return the names of the settings that a class can be made with; None where it takes any."""
    if is_dataclass(cls):
        return [field.name for field in fields(cls) if field.init]
    parameters = inspect.signature(cls).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def describe_exception(error: BaseException) -> str:
    """Return an exception's type and text on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def describe_place(error: BaseException) -> str:
    """Return the file and line in which an exception was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def find_source_file(part: type | Callable[..., object]) -> str | None:
    """Return the file that a class or function is written in; None where a program made it."""
    try:
        return inspect.getfile(part)
    except (OSError, TypeError):
        return None


def snake_case_name(use: str, suffix: str) -> str:
    """Return the name of a part: "my_package:ReadMoreFilter", without the suffix "Filter", gives "read_more"."""
    name = use.rpartition(":")[2].rpartition(".")[2]
    name = name.removesuffix(suffix) or name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
