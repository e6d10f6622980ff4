"""What a raised or lowered piece of text means: an exponent, an index, an ordinal, a unit, or the mark of a note.

In plain text a raised 6 after 10 must not read as 106. Marks of notes lead nowhere there and are left out.
"""

import re
from collections.abc import Mapping

LONGEST_SCRIPT = 24  # characters; longer ones are text
ORDINALS = frozenset("st nd rd th er re e ème eme ère ere es de d o a os as ª º s".split())
TITLES = frozenset("o me lle r rs t gr mes lles ve te re ns".split())  # Mme, Dr, St, No: raised ends of abbreviations
SIGNS = {"tm": "™", "sm": "℠"}
UNITS = frozenset(
    "m km cm mm nm µm μm dm hm ft in yd mi s sec ms h hr hrs min kg g mg t mol K L l ha cal J N Pa W V A px pt lb acre "
    "feet inch inches meter meters metre metres м км см мм Å u au pc ly".split()
)
NOTES = re.compile(r"ref(?:erence)?s?(?![a-z])|cit(?:e|ation)|foot-?note|endnote|noteref|fn(?![a-z])|sdfootnote", re.I)
BRACKETED = re.compile(r"[\[(].{1,20}[\])]")
MARK = re.compile(r"(?:[*†‡§¶#]{1,3}|\d{1,3}(?:[,–-] ?\d{1,3})*|[a-z])", re.I)
WHOLE = re.compile(r"\d{1,3}(?:[,–-] ?\d{1,3})*")
DEGREE = frozenset(("o", "0", "°", "º", "∘"))
LAST_WORD = re.compile(r"[^\W\d_]{1,20}$")
LAST_PARENTHESIS = re.compile(r"\([^()]{0,60}\)$")
WORDY = re.compile(r"[^\W\d_]{3}")
PLAIN = re.compile(r"[+−–-]?(?:[\w.]|,(?=\d))+[+−–-]?")
LOGARITHMS = frozenset(("log", "ln", "lim", "max", "min", "sup", "inf"))


def is_note(attributes: Mapping[str, str | None], linked: Mapping[str, str | None] | None, text: str) -> bool:
    """Tell whether names or a link say that a raised text marks a note. `linked`: attributes of a link in it."""
    if NOTES.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''} {attributes.get('role') or ''}"):
        return True
    if linked is None:
        return bool(BRACKETED.fullmatch(text)) and text[0] == "["
    names = " ".join(linked.get(name) or "" for name in ("class", "id", "role", "href"))
    return bool(NOTES.search(names) or BRACKETED.fullmatch(text) or ("#" in names and MARK.fullmatch(text)))


def write_superscript(text: str, before: str, after: str) -> str:
    """Return what stands for a raised `text` between `before` and `after`, the neighbouring text of the same line."""
    if not text:
        return ""
    last, following = before[-1:], after[:1]
    if not last or last.isspace():  # isotopes, labels of notes; a mark after a space
        lone = bool(before.strip()) and bool(WHOLE.fullmatch(text)) and not following.isalnum()
        return "" if lone and following in (" ", "", ".", ",", ";", ":") else text
    if text.lower() in SIGNS and last.isalnum():
        return SIGNS[text.lower()]
    if last.isdigit():
        return write_after_digit(text, following)
    if last.isalpha():
        return write_after_letter(text, before)
    if last in ")]}":
        return write_after_bracket(text, before)
    if MARK.fullmatch(text):
        return ""
    return text


def write_after_digit(text: str, following: str) -> str:
    """Return what stands for a raised text after a digit."""
    if text in DEGREE and following in ("C", "F"):
        return "°"
    if following in ("/", "⁄") and text.isdigit():  # a fraction after a whole number
        return " " + text
    if text.lower() in ORDINALS or not any(map(str.isalnum, text)):
        return "" if text and text[0] in "*†‡§¶#" else text
    return f"^{group_script(text)}"


def write_after_bracket(text: str, before: str) -> str:
    """Return what stands for a raised text after a closing bracket."""
    wordy = LAST_PARENTHESIS.search(before[-64:])
    note = WHOLE.fullmatch(text) and (wordy is None or WORDY.search(wordy[0]))
    return "" if note else f"^{group_script(text)}"


def write_after_letter(text: str, before: str) -> str:
    """Return what stands for a raised text after a letter."""
    match = LAST_WORD.search(before[-21:])
    word = match[0] if match else ""
    if text[0] in "*†‡§¶#":
        return ""
    if text.isalpha():
        return write_raised_letters(text, word)
    if WHOLE.fullmatch(text) and not is_measure(word):
        return ""
    return f"^{group_script(text)}" if any(map(str.isalnum, text)) else text


def write_raised_letters(text: str, word: str) -> str:
    """Return what stands for raised letters after a word."""
    if len(word) == 1 and len(text) == 1 and not (text in "ort" and (word.isupper() or word == "n")):
        return f"^{text}"
    if len(text) > 2 and len(word) > 2 and text.lower() not in TITLES:
        return " " + text  # a badge
    return text if len(word) > 1 or text.lower() in TITLES | ORDINALS else f"^{text}"


def is_measure(word: str) -> bool:
    """Tell whether a word is a variable or a unit, which can be raised to a power."""
    return len(word) == 1 or word in UNITS


def write_subscript(text: str, before: str) -> str:
    """Return what stands for a lowered `text`: H2O as it is, x_i and a_(n+1) with a mark."""
    match = LAST_WORD.search(before[-21:])
    word = match[0] if match else ""
    single = len(word) == 1 or word in LOGARITHMS
    if not word or not text or (text.isdigit() and not (single and word.islower())):
        return text
    if single or not text.isalnum():
        return f"_{group_script(text)}" if any(map(str.isalnum, text)) else text
    return text


def group_script(text: str) -> str:
    """Return a script in parentheses where it is more than one number or name."""
    return text if PLAIN.fullmatch(text) else f"({text})"
