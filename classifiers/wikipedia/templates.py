"""What templates show to a reader, for those whose words belong to the text; all others show nothing here.

A template is its name and its arguments. The names are those of the English Wikipedia and of some larger editions.
Boxes, citations, notes, coordinates and pronunciations are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

Positional = Sequence[str]
Named = Mapping[str, str]
Shown = Callable[[Positional, Named], str]

# Templates that show their first argument, their second, or their last.
FIRST = """
    nowrap nobr nobreak nowraplinks small smaller big bigger large larger sc smallcaps smcaps uc lc strong em abbr
    tooltip abbrv math mvar bigmath quote_inline linktext not_a_typo sic as_written typo visible_anchor vanchor
    anchored ill interlanguage_link interlanguage_link_multi flag flagu flagcountry flag_country noflag nohlist
    chem2 hebrew script/hebrew script/arabic script/greek rtl-lang unicode polytonic formatnum plainlist no_italic
    noitalic noitalics italic italics bold underline nobold normal mono code kbd samp var tt big_num keypress dfn
    citation blist siècle ruby ruby-ja
""".split()
SECOND = """
    lang langx langue lien_langue wikt-lang font color colour font_color resize size script color_text textcolor
    fontcolor font_colour
""".split()
QUOTES = """
    blockquote quote quotation cquote quote_frame centered_pull_quote block_quote citation_bloc début_citation zitat
    poem_quote poemquote verse poem
""".split()
LAST = "transl transliteration translit".split()
SIGNS = {
    "ndash": "–", "mdash": "—", "endash": "–", "emdash": "—", "spnd": " – ", "snd": " – ", "spaced_ndash": " – ",
    "spaced_en_dash": " – ", "dash": " – ", "nbsp": " ", "thinsp": " ", "hsp": " ", "space": " ", "spaces": " ",
    "'": "'", "''": "'", "'s": "'s", '"': '"', "=": "=", "!": "|", "pi": "π", "co2": "CO2", "h2o": "H2O", "o2": "O2",
    "minus": "−", "times": "×", "dot": " · ", "·": " · ", "bull": " • ", "•": " • ", "middot": " · ", "shy": "",
    "zwj": "", "zwnj": "", "euro": "€", "pound": "£", "degree": "°", "prime": "′", "lbrace": "{", "rbrace": "}",
    "(": "{", ")": "}", "hbar": "ħ", "infinity": "∞", "sqrt_sign": "√", "ldots": "…", "...": "…", "wbr": "",
    "break": "\n", "br": "\n", "sharp": "♯", "flat": "♭", "natural": "♮", "music_sharp": "♯",
}  # fmt: skip
PREFIXES = {
    "uss": "USS", "hms": "HMS", "hmas": "HMAS", "hmcs": "HMCS", "ss": "SS", "rms": "RMS", "sms": "SMS", "us$": "US$",
    "usd": "US$", "£": "£", "gbp": "£", "€": "€", "eur": "€", "¥": "¥", "jpy": "¥", "a$": "A$", "c$": "C$",
    "inr": "₹", "₹": "₹", "circa": "c. ", "c.": "c. ", "floruit": "fl. ", "fl.": "fl. ", "born": "born ",
    "died": "died ",
}  # fmt: skip
BETWEEN_NUMBERS = {
    "-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "x": " × ", "by": " by ", "×": " × ",
    "+/-": " ± ", "±": " ± ", "to(-)": " to ", "and(-)": " and ", ",": ", ", "*": " × ",
}  # fmt: skip
UNITS = {
    "sqmi": "sq mi", "km2": "km^2", "m2": "m^2", "mi2": "sq mi", "sqft": "sq ft", "sqkm": "km^2", "m3": "m^3",
    "ft2": "sq ft", "cm2": "cm^2", "km3": "km^3", "cuft": "cu ft", "C": "°C", "F": "°F", "ftin": "ft in",
    "kph": "km/h", "kmh": "km/h", "/sqmi": "per sq mi", "/km2": "per km^2", "PD/sqmi": "per sq mi",
    "PD/km2": "per km^2",
}  # fmt: skip


def show_template(name: str, positional: Positional, named: Named) -> str:
    """Return what a template shows, "" for one that shows nothing that belongs to the text."""
    name = name.strip().lower().replace(" ", "_")
    sign = SIGNS.get(name)
    if sign is not None:
        return sign
    show = load_templates().get(name)
    if show is not None:
        return show(positional, named)
    if name.startswith("lang-") and positional:
        return positional[0]
    if ":" in name:  # {{formatnum:1234}}
        function, _, argument = name.partition(":")
        return argument if function in ("formatnum", "lc", "uc", "ucfirst", "lcfirst", "nowrap") else ""
    return ""


@cache
def load_templates() -> dict[str, Shown]:
    """Return the functions of templates by name."""
    return {
        **dict.fromkeys(FIRST, show_first),
        **dict.fromkeys(SECOND, show_second),
        **dict.fromkeys(QUOTES, show_quote),
        **dict.fromkeys(LAST, show_last),
        **{name: show_with_prefix(prefix) for name, prefix in PREFIXES.items()},
        **dict.fromkeys(("convert", "cvt"), show_measure),
        **dict.fromkeys(("frac", "fraction", "sfrac"), show_fraction),
        **dict.fromkeys(("nihongo", "nihongo4"), show_nihongo),
        **dict.fromkeys(("nihongo2",), show_first),
        **dict.fromkeys(("nihongo3", "nihongo_krt"), show_nihongo),
        **dict.fromkeys(("zh", "korean", "cjkv", "zh-t"), show_values),
        **dict.fromkeys(("hlist", "unbulleted_list", "ubl", "flatlist", "cslist"), show_list),
        **dict.fromkeys(("chem", "gaps", "nowrap_begin", "gapnum", "digits"), show_joined),
        **dict.fromkeys(("sortname", "unité", "unit", "nombre", "date", "date-", "ship", "höhe"), show_spaced),
        **dict.fromkeys(("start_date", "start-date", "start_date_and_age", "end_date"), show_date),
        "as_of": lambda positional, named: "As of " + " ".join(filter(None, reversed(list(positional)[:3]))),
        "sub": lambda positional, named: f"<sub>{show_first(positional, named)}</sub>",
        "sup": lambda positional, named: f"<sup>{show_first(positional, named)}</sup>",
        "e": lambda positional, named: f"×10^{show_first(positional, named)}",
        "val": show_value,
        "ordinal": lambda positional, named: show_first(positional, named) + "th",
        "angbr": lambda positional, named: f"⟨{show_first(positional, named)}⟩",
        "angle_bracket": lambda positional, named: f"⟨{show_first(positional, named)}⟩",
        "\"": lambda positional, named: f"“{show_first(positional, named)}”",
        "reign": lambda positional, named: "r. " + "–".join(filter(None, positional)),
        "r.": lambda positional, named: "r. " + "–".join(filter(None, positional)),
        "s": lambda positional, named: f"{show_first(positional, named)}e siècle",
        "s-": lambda positional, named: f"{show_first(positional, named)}e siècle",
        "literal_translation": lambda positional, named: "lit. ‘" + "; ".join(positional) + "’",
        "lit": lambda positional, named: "lit. ‘" + "; ".join(positional) + "’",
    }  # fmt: skip


def show_first(positional: Positional, named: Named) -> str:
    """Return the first argument, or the one that is named as the text."""
    for name in ("1", "text", "quote", "content", "texte", "Text"):
        if named.get(name):
            return named[name]
    return positional[0] if positional else ""


def show_quote(positional: Positional, named: Named) -> str:
    """Return a quotation, which has lines of its own."""
    return f"\n{show_first(positional, named)}\n"


def show_second(positional: Positional, named: Named) -> str:
    """Return the second argument."""
    return named.get("2") or named.get("text") or (positional[1] if len(positional) > 1 else "")


def show_last(positional: Positional, named: Named) -> str:
    """Return the last argument."""
    return positional[-1] if positional else ""


def show_with_prefix(prefix: str) -> Shown:
    """Return a function that puts a sign or an abbreviation before the first argument."""
    between = " " if prefix[-1:].isalpha() else ""

    def show(positional: Positional, named: Named) -> str:
        return prefix + between + show_first(positional, named) if positional else ""

    return show


def show_measure(positional: Positional, named: Named) -> str:
    """Return a measure as it was given: {{convert|5|to|7|mi|km}} is "5 to 7 mi". The converted one is left out."""
    shown, place = "", 0
    while place + 1 < len(positional) and positional[place + 1].strip() in BETWEEN_NUMBERS:
        shown += positional[place].strip() + BETWEEN_NUMBERS[positional[place + 1].strip()]
        place += 2
    shown += positional[place].strip() if place < len(positional) else ""
    unit = positional[place + 1].strip() if place + 1 < len(positional) else ""
    return f"{shown} {UNITS.get(unit, unit)}".strip()


def show_fraction(positional: Positional, named: Named) -> str:
    """Return 1/2, or 3 1/2 for three arguments."""
    parts = [part.strip() for part in positional]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return "/".join(parts) if len(parts) == 2 else f"1/{parts[0]}" if parts else ""


def show_nihongo(positional: Positional, named: Named) -> str:
    """Return a Japanese term: its English words, then the Japanese and its transcription in parentheses."""
    words, *others = [*positional, ""]
    others = [part for part in others[:3] if part.strip()]
    return f"{words} ({', '.join(others)})" if words.strip() and others else words or ", ".join(others)


def show_values(positional: Positional, named: Named) -> str:
    """Return all values, those that are settings apart."""
    kept = [value for name, value in named.items() if len(name) < 6 and name not in ("links", "labels", "first", "out")]
    return "; ".join(filter(None, [*positional, *kept]))


def show_list(positional: Positional, named: Named) -> str:
    """Return the items of a list."""
    return ", ".join(part.strip() for part in positional if part.strip())


def show_joined(positional: Positional, named: Named) -> str:
    """Return the arguments without anything between them."""
    return "".join(part.strip() for part in positional)


def show_spaced(positional: Positional, named: Named) -> str:
    """Return the arguments with spaces between them, the first three."""
    return " ".join(part.strip() for part in positional[:3] if part.strip())


def show_date(positional: Positional, named: Named) -> str:
    """Return a date as year-month-day."""
    return "-".join(part.strip().zfill(2) for part in positional[:3] if part.strip())


def show_value(positional: Positional, named: Named) -> str:
    """Return a number with its power of ten and its unit."""
    shown = "–".join(positional[:1])
    if named.get("e"):
        shown += f"×10^{named['e']}"
    unit = named.get("u") or named.get("ul") or ""
    return f"{shown} {unit}".strip()
