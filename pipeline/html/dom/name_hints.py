"""Read class names, ids and roles: what they hint at, and their hash values. With name_hints.pxd it is compiled.

A page has some hundred names, and most of them are its own. Runs of letters come again in many names.
"""

from pipeline.html.main_content.class_hints import (
    KNOWN_NAMES,
    KNOWN_RUNS,
    LONGEST_NAME,
    LOOK_BEYOND,
    LOOK_SPECIAL,
    MANY_NAMES,
    MANY_VALUES,
    NO_VALUES,
    NameHints,
    find_bits_beyond,
    find_special_bits,
    read_run,
)


def find_name_hints(names: str) -> int:
    """Return the bits of class names, id and role, separated by spaces."""
    return read_names(names)[0]


def read_names(names: str) -> NameHints:
    """Return the bits and the hash values of class names, id and role, separated by spaces."""
    bits, values = 0, NO_VALUES
    for name in names.split():
        read = KNOWN_NAMES.get(name)
        if read is None:
            if len(KNOWN_NAMES) >= MANY_NAMES:
                KNOWN_NAMES.clear()
            short = name[:LONGEST_NAME]
            read = KNOWN_NAMES[short] = read_name(short)
        bits |= read[0]
        if len(values) < MANY_VALUES:
            values = values + read[1] if values else read[1]
    return bits, values


def read_name(name: str) -> NameHints:
    """Return the bits and the hash values of one name: those of its runs of letters."""
    lower = name.lower()
    values = []
    start = found = looks = 0
    for at, letter in enumerate(lower + "."):
        if not "a" <= letter <= "z":
            if start < at:
                run = lower[start:at]
                known = KNOWN_RUNS.get(run)
                if known is None:
                    if len(KNOWN_RUNS) >= MANY_NAMES:
                        KNOWN_RUNS.clear()
                    known = KNOWN_RUNS[run] = read_run(run)
                bits, value, look = known
                found |= bits
                looks |= look
                values.append(value)
            start = at + 1
    if looks & LOOK_SPECIAL:
        found |= find_special_bits(lower)
    if looks & LOOK_BEYOND:
        found = find_bits_beyond(name, found)
    return found, tuple(values)
