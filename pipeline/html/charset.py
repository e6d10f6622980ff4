"""The text of an HTML body: which character encoding it is in, and its characters.

Order: byte order mark, then UTF-8 where the bytes prove it, then what the HTTP header and the page's meta tag declare
as far as the bytes bear them out, then windows-1252, unless uchardet finds an encoding that fits the page. Labels mean
what the WHATWG Encoding Standard says (gb2312 is read as gb18030, iso-8859-1 as windows-1252).
"""

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

from resiliparse.parse.encoding import map_encoding_to_html5

from pipeline.html.double_encoding import holds_runs, repair_double_encoding
from pipeline.html.encoding_guess import DETECT_BYTES, guess_encoding


class CharacterEncoding(NamedTuple):
    """An encoding: the WHATWG name, and Python's codec that is closest to the standard's table."""

    name: str
    codec: str


UTF_8 = CharacterEncoding("utf-8", "utf-8")
UTF_16_LE, UTF_16_BE = CharacterEncoding("utf-16le", "utf-16-le"), CharacterEncoding("utf-16be", "utf-16-be")
ISO_2022_JP = CharacterEncoding("iso-2022-jp", "iso2022_jp_ext")
# By resiliparse's names for the standard's encodings; those not listed have one name for all three.
ENCODINGS = {f"cp125{n}": CharacterEncoding(f"windows-125{n}", f"cp125{n}") for n in range(9)} | {
    "utf-8": UTF_8,
    "utf-16-le": UTF_16_LE,
    "utf-16-be": UTF_16_BE,
    "iso2022_jp": ISO_2022_JP,
    "gbk": CharacterEncoding("gbk", "gb18030"),
    "big5": CharacterEncoding("big5", "big5hkscs"),
    "shift_jis": CharacterEncoding("shift_jis", "cp932"),
    "euc_jp": CharacterEncoding("euc-jp", "euc_jp"),
    "euc_kr": CharacterEncoding("euc-kr", "cp949"),
    "cp866": CharacterEncoding("ibm866", "cp866"),
    "iso8859-11": CharacterEncoding("windows-874", "cp874"),
    "mac-roman": CharacterEncoding("macintosh", "mac-roman"),
}
MISSING = {"x-mac-cyrillic": "mac-cyrillic", "x-mac-ukrainian": "mac-cyrillic", "cp949": "euc_kr"}  # not in resiliparse
BOMS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, UTF_16_LE), (codecs.BOM_UTF16_BE, UTF_16_BE))
PRESCAN = 4096  # bytes searched for a meta tag; the standard says 1024, pages put it later
SCRIPTED = 1 << 16  # bytes of a page's beginning of which comments and scripts are taken out before
NO_MARKUP = re.compile(rb"<!--.*?(?:-->|\Z)|<(script|style|title|textarea|template)\b.*?(?:</\1|\Z)", re.S | re.I)
META = re.compile(rb"<meta\b[^>]{0,1000}?charset\s*+=\s*+(?:[\"']\s*+)?([^\s\"'/>;]{1,40})", re.I)
XML_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*+=\s*+[\"']([^\"'>]{1,40})", re.I)
HEADER_CHARSET = re.compile(r"charset\s*+=\s*+(?:[\"']\s*+)?([^\s\"';,]{1,40})", re.I)
JAPANESE_ESCAPE = re.compile(rb"\x1b\$[@B]")
ASCII = bytes(range(128))
C1_AND_REPLACEMENT = re.compile("[\x80-\x84\x86-\x9f\ufffd]")
MARKUP_START = re.compile(rb"<(?:(!--)|((?:script|style)\b))?", re.I)
RAW_TEXT_END = re.compile(rb"</(?:script|style)\s*+>", re.I)
WHITE_SPACE = re.compile(rb"\s+")
MAX_BAD = 0.02  # share of the non-ASCII bytes that may be wrong before a declared encoding is disbelieved
FEW = 8  # non-ASCII bytes; fewer are too few to prove UTF-8 against a declared encoding
TWICE = "utf-8 twice"  # the name of the encoding of a page that is repaired


def decode_body(body: bytes, content_type: str = "") -> tuple[str, str]:
    """Return a body's text and the WHATWG name of the encoding it was read in; TWICE for UTF-8 that was encoded twice.

    `content_type` is the HTTP header's value. Bytes that are wrong in the encoding become U+FFFD; NULs are dropped.
    Never raises.
    """
    for bom, encoding in BOMS:
        if body.startswith(bom):
            return decode_as(body[len(bom) :], encoding), encoding.name
    if body.isascii() and b"\x1b" not in body and b"\x00" not in body:
        return body.decode("ascii"), UTF_8.name
    if wide := detect_utf_16(body):
        return decode_as(body, wide), wide.name
    escaped = b"\x1b" in body and JAPANESE_ESCAPE.search(body) is not None
    text = None if escaped else decode_strict_utf_8(body)
    proven = text is not None and len(body) - len(text) >= FEW
    declared = [] if proven else find_declared_encodings(body, content_type)
    if text is not None and (UTF_8 in declared or not declared):
        return clean_utf_8(body, text)
    return decode_unproven(body, declared, escaped)


def clean_utf_8(body: bytes, text: str) -> tuple[str, str]:
    """Return the text of a body in UTF-8 without NULs, repaired where it was encoded twice, and the encoding's name."""
    if b"\x00" in body:  # so found in a tenth of the time that a search of the text takes
        text = text.replace("\x00", "")
    if holds_runs(body) and (repaired := repair_double_encoding(text)) != text:
        return repaired, TWICE
    return text, UTF_8.name


def decode_unproven(body: bytes, declared: list[CharacterEncoding], escaped: bool) -> tuple[str, str]:
    """Return text and encoding of a body that is not proven to be UTF-8: as declared where its bytes bear that out.

    `escaped` says whether it holds the escape sequences of ISO-2022-JP.
    """
    high = len(body.translate(None, ASCII))
    if escaped and high <= MAX_BAD * len(body):
        declared = [ISO_2022_JP]
    elif high >= FEW and UTF_8 not in declared:
        declared = [UTF_8, *declared]
    for encoding in declared:
        text = decode_as(body, encoding)
        bad = len(C1_AND_REPLACEMENT.findall(text)) if high else 0
        if bad <= MAX_BAD * high + (encoding is UTF_8):  # one: a page cut in the middle of a character
            return text, encoding.name
    encoding = detect_body_encoding(body)
    return decode_as(body, encoding), encoding.name


def decode_strict_utf_8(body: bytes) -> str | None:
    """Return the body as UTF-8, None where it is not that throughout."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def decode_as(body: bytes, encoding: CharacterEncoding) -> str:
    """Return the body in an encoding, without NULs, which no parser of HTML wants."""
    return body.decode(encoding.codec, "replace").replace("\x00", "")


@lru_cache(maxsize=512)
def find_encoding(label: str) -> CharacterEncoding | None:
    """Return the encoding that a label means on the web, None for a label that means none."""
    label = label.strip().lower()
    found = map_encoding_to_html5(label, fallback_utf8=False) or MISSING.get(label)
    return ENCODINGS.get(found, CharacterEncoding(found.replace("iso8859-", "iso-8859-"), found)) if found else None


def find_declared_encodings(body: bytes, content_type: str) -> list[CharacterEncoding]:
    """Return what the header, then the page itself declare, known ones only."""
    labels = [match[1]] if (match := HEADER_CHARSET.search(content_type)) else []
    head = NO_MARKUP.sub(b"", body[:SCRIPTED])[:PRESCAN]
    for pattern in (META, XML_ENCODING):
        labels += [label.decode("latin-1") for label in pattern.findall(head)[:1]]
    # Markup in UTF-16 shows by its NULs (`detect_utf_16`); elsewhere the label is wrong, and the standard says UTF-8.
    found = [UTF_8 if label.lower().startswith("utf-16") else find_encoding(label) for label in labels]
    return list(dict.fromkeys(encoding for encoding in found if encoding))


def detect_utf_16(body: bytes) -> CharacterEncoding | None:
    """Return UTF-16 where every other byte at the beginning is NUL, as in markup in it without a byte order mark."""
    head = body[:16]
    if len(head) >= 4 and head[1::2].count(0) > 0.8 * len(head[1::2]) and not head[::2].count(0):
        return UTF_16_LE
    if len(head) >= 4 and head[::2].count(0) > 0.8 * len(head[::2]) and not head[1::2].count(0):
        return UTF_16_BE
    return None


def detect_body_encoding(body: bytes) -> CharacterEncoding:
    """Return the encoding that the body's visible text is most likely in."""
    text = replace_markup(body[: DETECT_BYTES * 4])[:DETECT_BYTES]
    return find_encoding(guess_encoding(text, body)) or ENCODINGS["cp1252"]


def replace_markup(data: bytes) -> bytes:
    """Return `data` with one space for each tag, comment, script, style and run of white space. Linear time.

    A construct that is never closed counts as a tag; a `<` that no `>` follows is text.
    """
    pieces: list[bytes] = []
    position, last_comment_end, last_tag_end = 0, data.rfind(b"-->"), data.rfind(b">")
    last_raw_text_end = max((match.start() for match in RAW_TEXT_END.finditer(data)), default=-1)
    while match := MARKUP_START.search(data, position):
        start, after = match.span()
        pieces.append(WHITE_SPACE.sub(b" ", data[position:start]))
        if match[1] and after <= last_comment_end:
            position = data.index(b"-->", after) + 3
        elif match[2] and after <= last_raw_text_end and (closing := RAW_TEXT_END.search(data, after)):
            position = closing.end()
        elif start < last_tag_end:
            position = data.index(b">", start) + 1
        else:
            pieces.append(b"<")
            position = start + 1
            continue
        pieces.append(b" ")
    pieces.append(WHITE_SPACE.sub(b" ", data[position:]))
    return b"".join(pieces)
