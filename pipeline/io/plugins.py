"""Parts of a user's own: a filter, an engine or a stage that the config names as `package.module:Name`.

A part is imported by its name in every process that needs it, so it works with any runner whose workers can import it.
"""

import difflib
import importlib
from typing import Any


def load_object(use: str, key: str) -> Any:
    """Return the object that `use` names, for example "my_package.filters:ReadMore".

    `key` is the config key that holds `use`. Raises ValueError with one line that begins with `key` where `use` has
    another form, the module cannot be imported, or the module has no such name.
    """
    module_name, colon, name = use.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *name.split(".")]):
        raise ValueError(f"{key}: {use!r} cannot be used: write it as package.module:Name")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ValueError(
                f"{key}: there is no module {error.name!r} to import; install it, or put its folder on PYTHONPATH"
            ) from error
        raise ValueError(f"{key}: {module_name} cannot be imported: {error}") from error
    except Exception as error:  # a module may raise anything while it is imported
        message = " ".join(str(error).split())
        raise ValueError(f"{key}: {module_name} cannot be imported: {type(error).__name__}: {message}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = difflib.get_close_matches(part, [n for n in vars(found) if not n.startswith("_")], n=1)
            hint = f"; did you mean {known[0]!r}?" if known else ""
            raise ValueError(f"{key}: {module_name} has no {name!r}{hint}")
        found = getattr(found, part)
    return found
