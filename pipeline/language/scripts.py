"""Which scripts a language is written in: lid.176 names a language for every script, also for those it never saw."""

import re
from functools import cache

# Letters by script (Unicode's blocks); of the languages below each is named with every script that it is printed in.
LETTERS = {
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1d00-\u1dbf"
    "\u1e00-\u1eff\ua720-\ua7ff\uff21-\uff5a",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Devanagari": "\u0900-\u097f\ua8e0-\ua8ff",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Oriya": "\u0b00-\u0b7f",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Myanmar": "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2f",
    "Ethiopic": "\u1200-\u139f\u2d80-\u2ddf\uab00-\uab2f",
    "Khmer": "\u1780-\u17ff\u19e0-\u19ff",
    "Armenian": "\u0530-\u058f\ufb13-\ufb17",
    "Thaana": "\u0780-\u07bf",
    "Mongolian": "\u1800-\u18af",
    "Han": "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "Kana": "\u3041-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Hangul": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7fb\uffa1-\uffdc",
}
LANGUAGES = {
    "Latin": "af als an ast az bar bcl br bs ca cbk ceb co cs cy da de diq dsb eml en eo es et eu fi fr frr fy ga "
    "gd gl gn gom gv hif hr hsb ht hu ia id ie ilo io is it jbo jv kk ku kw la lb li lmo lt lv mg min ms mt mwl nah "
    "nap nds nl nn no oc pam pfl pl pms pt qu rm ro sc scn sco sh sk sl so sq sr su sv sw tk tl tr tt ug uz "
    "vec vep vi vls vo wa war yo",
    "Cyrillic": "av az ba be bg bs bxr ce cv kk krc kv ky lez mhr mk mn mrj myv os ru rue sah sh sr tg tk tt tyv udm "
    "ug uk uz xal",
    "Greek": "el",
    "Arabic": "ar arz az azb ckb fa jv kk ku ky lrc ms mzn pa pnb ps sd so su sw tg tr ug ur uz",
    "Hebrew": "he yi",
    "Devanagari": "bh dty gom hi hif mai mr ne new sa sd",
    "Bengali": "as bn bpy",
    "Gurmukhi": "pa",
    "Gujarati": "gu",
    "Oriya": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Thai": "th",
    "Lao": "lo",
    "Tibetan": "bo",
    "Myanmar": "my",
    "Georgian": "ka xmf",
    "Ethiopic": "am",
    "Khmer": "km",
    "Armenian": "hy",
    "Thaana": "dv",
    "Mongolian": "mn",
    "Han": "ja wuu yue zh",
    "Kana": "ja",
    "Hangul": "ko",
}
ANY = re.compile(r"[^\W\d_]")
STEP = 8  # one character in so many is looked at: 256 of the beginning that language identification reads
MIN_SHARE = 0.1  # of the letters; brands, names and code in Latin letters stand in texts of every language


def list_scripts(language: str) -> tuple[str, ...]:
    """Return the scripts of a language by lid.176's code; none where it is not known."""
    return tuple(script for script, languages in LANGUAGES.items() if language in languages.split())


@cache
def letter_pattern(language: str) -> re.Pattern[str] | None:
    """Return the pattern of a letter of the language; None where its scripts are not known."""
    letters = "".join(LETTERS[script] for script in list_scripts(language))
    return re.compile(f"[{letters}]") if letters else None


def is_written_in(language: str, text: str) -> bool:
    """Tell whether a tenth of a text's letters are in a script of the language; true where that is not known."""
    own = letter_pattern(language)
    if len(text) > 64 * STEP:
        text = text[::STEP]
    if own is None or len(own.findall(text, 0, len(text) // 4)) >= MIN_SHARE * len(text):
        return True  # most texts show by their first quarter that they are
    return len(own.findall(text)) >= MIN_SHARE * len(ANY.findall(text))
