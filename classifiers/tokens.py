"""Turn a text into the line of tokens that the quality classifier sees, in training and in scoring alike.

The text is normalised to Unicode NFKC and lower case, and every digit becomes 0. Words and punctuation marks are
separate tokens. In scripts that are written without spaces, every character is a token. Only the first
`max_characters` characters are used, so that the length of a text says little.
"""

import re
import unicodedata

TOKENS_VERSION = 1  # increase when the tokens change; a model that was trained on other tokens is refused
MAX_TEXT_CHARACTERS = 4000

# Scripts without spaces between words: Thai to Burmese, Khmer, kana, CJK and its extensions.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
PUNCTUATION = "!-/:-@\\[-`{-~\u00a1-\u00bf\u2000-\u206f\u3000-\u303f"
# A word is any run of other characters. `\w` would split words of Indic scripts at their vowel signs.
TOKEN = re.compile(f"[^\\s\\x00-\\x1f{PUNCTUATION}{UNSPACED}]+|[^\\s\\x00-\\x1f]")
DIGITS = bytes.maketrans(b"123456789", b"0" * 9)  # applied to UTF-8, which is ten times as fast as on a str


def build_token_line(text: str, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    """Return the tokens of the first `max_characters` characters, joined by single spaces; "" if there are none.

    fastText's own marks (`__label__`, `</s>`) cannot occur in the result, because punctuation is split off.
    """
    text = text[:max_characters]
    if not text.isascii() and not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    # "replace" turns lone surrogates into "?"
    folded = text.lower().encode("utf-8", "replace").translate(DIGITS).decode("utf-8")
    return " ".join(TOKEN.findall(folded))
