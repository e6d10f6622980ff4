"""Every function that sees a page's bytes, address, headers or text takes linear time, also for hostile input.

`PATTERNS` names, for every regular expression in the rooms that see pages, the strings whose repetition is the worst
that the pattern can be given. Each per-page function is run on repetitions of the strings of all patterns in its rooms.
Whoever adds a pattern adds its strings here; a test compares the table with the source.
"""

import ast
import gc
import io
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from classifiers.ensemble.model import load_ensemble_model
from classifiers.page_types.model import load_page_type_model, predict_page_types
from classifiers.topics.stem_model import load_shipped_model
from pipeline.filters.bad_words import BadWordsFilter
from pipeline.filters.c4 import C4Filter
from pipeline.filters.chain import RulesConfig, built_in_filters, check_filters, load_filters
from pipeline.filters.gopher_quality import GopherQualityFilter
from pipeline.filters.gopher_repetition import GopherRepetitionFilter
from pipeline.html import engines
from pipeline.html.charset import decode_body
from pipeline.html.dates import find_date
from pipeline.html.engines import load_engine, tidy_lines, tidy_markdown
from pipeline.html.http import detect_mime_type, parse_response
from pipeline.html.main_content.classifier import MainContentModel, extract_main_content, load_main_content_model
from pipeline.html.metadata import extract_metadata
from pipeline.html.robots import robots_directives
from pipeline.io.settings import TextColumns
from pipeline.io.text_inputs import NotATextInput, read_input_texts
from pipeline.language.identify import LanguageModel
from pipeline.language.prefilter import prefilter_pages
from pipeline.text.entities import unescape_entities
from pipeline.text.invisible import clean_plain_text, escape_controls
from pipeline.text.item_index import ItemIndex
from pipeline.text.line_keys import LINE_PRESETS, compute_line_keys, find_line_spans, remove_spans
from pipeline.text.minhash import MinHashParams, hash_text, sign_texts
from pipeline.text.pii.mask import PiiConfig, mask_pii
from pipeline.text.tokenize.sentences import count_sentences
from pipeline.text.tokenize.words import split_words
from pipeline.url.canonical import canonical_url, url_domain
from pipeline.url.filter import UrlFilter, UrlRules
from pipeline.url.topic_by_address import find_topic
from pipeline.warc.reader import NotACrawlFile, read_crawl_records

ROOT = Path(__file__).parents[2] / "pipeline"
ROOMS = ("html", "url", "language", "warc", "text", "filters")
SIZES = (40_000, 160_000)  # characters
LARGER_SIZES = (320_000, 1_280_000)  # for what grows steeply up to here: a cache that overflows is one step
MOST_GROWTH = 2.6  # of the CPU time when the input is doubled
SURE_GROWTH = 3.0  # of what is measured again; the square of the size has 4, a busy machine's caches 2.7
FLOOR = 0.04  # seconds of CPU time; less is noise, and a page that takes less is no danger
HANGING = 20  # seconds of CPU time after which a function hangs
TRIES = 5  # measurements of one input, of which the least counts

SPACES = (" ", "\n", "\t ", " \n", "\r\n ")
ENTITIES = ("&#1", "&#00000001", "&", "&amp")
COMMENTS = ("<!--", "<!---->", "-->", "<!-- a -->\n")
RAW_TEXT = ("<script ", "<script>", "</script", "<style>x", "<title>", "</title ", "<textarea>", "<svg>", "<noscript>")
NUMBERS = ("1", "1 ", "1.", "1-", "(1) ", "12 34 ", "+1", "00", "1234-5678-", "1,1", "a1")
LETTERS = ("a", "a ", "é", "a.b", "A. ", "ab AB ", "ſ", "漢", "あ", "한", "กา", "\u200b", "a\u0301", "\u0316\u0300")

# By module and the name at module level that holds the pattern: what attacks it, when it is repeated.
PATTERNS: dict[str, dict[str, tuple[str, ...]]] = {
    "html/charset.py": {
        "NO_MARKUP": (*COMMENTS, "<script>", "<title></title", "<template "),
        "META": ("<meta ", "<meta charset", "<meta charset=", "charset= "),
        "XML_ENCODING": ("<?xml ", "<?xml encoding", "encoding= "),
        "HEADER_CHARSET": ("charset=", "charset =", 'charset=" ', " ", ";"),
        "JAPANESE_ESCAPE": ("\x1b", "\x1b$", "\x1b$B"),
        "C1_AND_REPLACEMENT": ("\x81", "\x85", "\ufffd"),
        "MARKUP_START": (*COMMENTS, *RAW_TEXT, "<", "< ", "<a", ">"),
        "RAW_TEXT_END": ("</script ", "</style", "</script >"),
        "WHITE_SPACE": SPACES,
    },
    "html/dates.py": {"DAY": ("2020", "2020-", "20200101")},
    "html/double_encoding.py": {
        "RUN": ("\u00c3\u00a9", "\u00e2\u20ac"),
        "RUNS": ("\u00c3\u00a9", "\u00e2\u20ac\u2122\u00c3"),
        "CERTAIN": ("a\u00c3", "\u00e2\u20ac"),
        "ALONE": ("\u00e2",),
        "GATE": ("\u00c3", "\u00c3\u00a9"),
        "FAULT": ("double", "mojibak"),
    },
    "html/encoding_guess.py": {
        "HTML_LANGUAGE": ("<html ", "<html lang", "lang = "),
        "ASCII_WORD": ("a", "a ", "\xe9a"),
        "LONG_RUN": ("\xe9", "\xe9\xe9 "),
        "PAIR_RUN": ("\xe9 ", "\xe9\xe9 "),
        "WIDE": (),  # of the names of encodings
    },
    "html/engines.py": {
        "EMPTY_LINES": ("\n", "\n\n\n", "\n \n"),
        "INNER_SPACE": (" ", "a  ", "\t\t", "\u00a0"),
    },
    "html/http.py": {
        "STATUS_LINE": (" ", "HTTP/1.1 ", "HTTP/1.1 100\n\n", "HTTP/1.1 200"),
        "BLANK_LINE": ("\n\r", "\r", "\n \n"),
        "CHUNK_SIZE": ("1\r\na\r\n", "1;", " ", "1" * 9, "0\r\n"),
        "HTML_START": (*COMMENTS, *SPACES, "<?xml ", "<?xml ?>", "<!doctype "),
        "XML_START": (" ", "<?xml", "\n"),
        "MIME": ("a", "a/", "/", ";"),
    },
    "html/main_content/blocks.py": {
        "MARKS": ("\x01", "\x02", "a<b>", "<br>"),
    },
    "html/dom/dom_walk.py": {
        "OPENS": ("<p hidden id=S:1>", "<p hidden class=tab>", "<p hidden class=detail>", "tabtable"),
        "BREAKS": ("<br>", "<br> ", "<br><br>", "a<br> <br>"),
        "AROUND_BREAK": ("<br>", "<br> ", "<br><br>", "a<br> <br>"),
    },
    "html/dom/inline_boxes.py": {
        "FLOWING_NAMES": ("<span class=c12>ab</span>",),
    },
    "html/main_content/class_hints.py": {
        "MATHS_SOURCE": ("<p class=mwe-math>", "<p class=katex-mathml>x"),
        "MATHS_COPY": ("<p class=katex-html>x", "<p class=MathJax>x", "<p class='-MathJax '>"),
        "MATHS": ("math", "katex", "mjx"),
        "UNSEEN_NAMES": ("<p class=sr-only>x", "screen-reader-"),
        "NOT_UNSEEN": ("<p class=not-sr-only>x",),
        "OTHER_LINE_NUMBERS": ("<p class=line-numbers>1",),
        "SPECIAL_RUN": ("<p class=visually>", "hidden", "lnum"),
        "_first_letters": (),  # reads this module's own tables
        "HINT_WORDS": ("<p class=nav-article>", "<p class=tags-meta>x", "-ad-", "column-right"),
        "NOT_IN_A_RUN": ("<p class=more-most-read>", "sr-only"),
    },
    "html/elements/code_blocks.py": {
        "CODE_CELL": ("<table><tr><td>1<td class=code>x</table>",),
        "CODE_LIST": ("<ol class=code><li>  x</ol>",),
        "LINE_MARKS": ("<pre><div>x</div></pre>", "\x0e \x0f"),
        "MARKED_LINE": ("<pre><i>1</i> x\n</pre>", "\x10"),
        "SOURCE_BREAK": ("<code>x<br>\n  y</code>",),
        "EMPTY_START": (" \n",),
    },
    "html/elements/hidden_text.py": {
        "LENGTH": ("<p style='left:-1px -1em'>", "-1"),
        "NO_CLIP": ("<p style='clip:rect(0 0'>",),
        "NO_SCALE": ("<p style='transform:scale(0'>",),
        "TRANSLATE": ("<p style='transform:translate(-1px'>", "translate(-"),
        "APPEARS": ("<p style='opacity:0' data-x>",),
        "OPENS": ("<p style='height:0;overflow:hidden'>",),
        "FAR_RULE": ("<style>.a{left:-999px}</style>", "left:-999px ", "<style>"),
        "SELECTOR": (".a ",),
    },
    "html/elements/mathml.py": {
        "TEX_IMAGE": ("<img class='tex latex' alt=x>",),
        "TEX_SERVICE": ("<img src=latex.php?latex=x>", "codecogs.com/a."),
        "STATED_LATEX": ("<img alt='$x$'>", "$"),
        "TEX_SIGN": ("<img class=math alt='x^2'>",),
    },
    "html/elements/script_text.py": {
        "JSON_START": ("<p>{[", "{ "),
        "JSON_PAIR": ('<p>{"a" :',),
        "SCRIPT_START": ("<p>function a", "(("),
        "SCRIPT_END": ("<p>var a = 1; //", "; // "),
        "STYLE_RULES": ("<p>.a{b:c}", ".a{b:c;", "a:b;"),
        "PLACEHOLDERS": ("{{a}} ", "{{"),
    },
    "html/elements/superscripts.py": {
        "NOTES": ("<sup><a href=#fn>1</a></sup>",),
        "BRACKETED": ("a<sup>[1]</sup>",),
        "MARK": ("a.<sup>1,2</sup>",),
        "WHOLE": ("ab<sup>1, 2</sup>",),
        "LAST_WORD": ("a<sub>i</sub>", "<sup></sup>"),
        "LAST_PARENTHESIS": ("(a)<sup>2</sup>",),
        "WORDY": ("(abc)<sup>2</sup>",),
        "PLAIN": ("1<sup>+1,1</sup>",),
    },
    "html/main_content/page_facts.py": {
        "STATED": (
            *('"@type"', '"@type":"', '"@type": ["', '"@type" : "https://schema.org/Article"', "application/ld+json"),
            *('"text":"', '"description": "\\\\', '"text":"a" ', "application/ld+json>", '"articleBody":"' + "a" * 50),
        ),
        "TAG": ("<", "<a", '"text":"<'),
        "LONG_NUMBER": NUMBERS,
    },
    "html/main_content/render.py": {
        "PAIRS": ("<b> a", "a<b>b</b> ", "<code>`", "<i><br>", "<b> </b>"),
        "SPACED": (" ", "<b>  </b> ", "a  "),
        "OTHER_LINES": ("<pre>\r", "\x0b", "\u2029"),
        "_render_block": ("<pre>`", "`", "<pre>``a</pre>"),
    },
    "html/metadata.py": {
        "INTERESTING": (*COMMENTS, *RAW_TEXT, "<body", "<meta ", "<link", "<meta", "<"),
        "ATTRIBUTE": ("<meta a=b ", '<meta a="', "<meta a='", "a", "a=", "= ", "/ ", '"', "'", "a=b ", "<link "),
        "DATE": NUMBERS + ("2020-12-", "20201231", "2020-1-1 ", "2020"),
        "URL_DATE": ("/2020/", "/2020-1-", "/2020/12/31"),
        "CREATIVE_COMMONS": (
            "creativecommons.org/",
            "creativecommons.org/licenses/by/4.0",
            "creativecommons.org/licenses/",
        ),
        "REST_OF_TAG": ("application/ld+json", "application/ld+json>", "<script type=application/ld+json>1</script>"),
        "PLAIN_LINK": ("<link rel=canonical href=https://a/b>", "a", "/"),
        "REST_OF_END": ("</title", "</script", "<title></titl", "<title></", "<script></"),
        "LICENCE_LINK": ("<a rel=", "<a rel ", "<link rel=license", "<a rel=' ", " rel = "),
    },
    "language/identify.py": {"KANA": ("あ", "あ "), "HANGUL": ("한", "한 "), "HAN": ("漢", "漢あ")},
    "language/prefilter.py": {
        "SKIPPED": (*COMMENTS, *RAW_TEXT, "<"),
        "TAGS_AND_TEXT": ("<a", "<s", "<a> ", "<s>", "< >a", "a ", *SPACES),
        "CLOSINGS": ("</svg ", "<select></sel"),
    },
    "language/scripts.py": {"ANY": LETTERS, "letter_pattern": LETTERS},
    "text/entities.py": {"LONG_NUMBER": ENTITIES},
    "text/invisible.py": {
        "NOT_TEXT": ("\x00", "\x1b[", "\xad", "\u2060", "\ufeff"),
        "STRAY_ZERO_WIDTH_SPACE": ("\u200b", "a\u200b", "ก\u200b"),
        "LINE_BREAKS": ("\r", "\r\n", "\x85", "\u2028"),
        "CONTROL": ("\x1b[31m", "\x9b", "\u2028"),
    },
    "text/line_keys.py": {"LINE": (*SPACES, "a ", "a \n"), "NOWHERE": ("\t", "a\n\t", " \n")},
    "text/minhash.py": {"MARK_RUN": ("\u0316\u0300", "a\u0301")},
    "text/pii/accounts.py": {
        "CARD": ("4111 1111 ", "4111-", "4" * 17),
        "IBAN_START": ("DE89", "DE89 ", "DE89 3704 0044 0532 0130 00 "),
        "IBAN_CHARACTERS": (),  # on at most 64 characters
        "WORD_CHARACTER": (),  # on one character
        "IN_ADDRESS": ("/4111111111111111",),
        "SEPARATORS": (),  # on a card's number
        "BOOK_OR_VERSION": ("isbn ", "version 1.2 "),
    },
    "text/pii/emails.py": {
        "AT_SIGN": ("@", "a@"),
        "LATIN_LOCAL": ("a", "-", "_%+", "a@b.cc "),
        "OTHER_LOCAL": ("я@я.", "用@例.中国"),
        "DOMAIN": ("a@b.", "a@" + "b." * 9, "a@-", "a@b.xn--"),
        "STARTS_LATIN": ("a@b.cc例",),
        "NO_END": (),  # on one character
        "MASKED_BEFORE": (),  # on at most 12 characters
        "EXAMPLES": ("a@b.example.org ",),
    },
    "text/pii/ip_addresses.py": {
        "IPV4": ("1.1.1.1.", "999.", "1.1.1.1 ", "93.184.216.34-93.184.216.35 "),
        "IPV6": ("1:", ":", "a:b:", "2001:db8::1 ", "2001:4860:4860::8888 "),
        "LETTERS": ("section 6.3.4.1 ", "ip 8.8.8.8 "),
        "BETWEEN": ("host: 8.8.8.8",),
        "CLOCK": ("10:10:10 93.184.216.34 ", "10:10:"),
        "SUFFIX": ("8.8.8.8:", "8.8.8.8 - a"),
        "LISTED": ("93.184.216.34, ", "<IP_ADDRESS>, 8.8.8.8 "),
        "PRODUCT": ("a/8.8.8.8 ",),
        "NAMED": (),  # on three characters
    },
    "text/pii/mask.py": {
        "OF_INTEREST": NUMBERS + (":a:",),
        "AT": ("@",),
        "OTHER_DIGITS": ("１３", "＠"),
        "HAS_OTHERS": ("１３ ", "1\u20131"),
    },
    "text/pii/phones.py": {
        "DIGITS": (),  # on a phone number
        "INTERNATIONAL": ("+49 ", "+1 (0) ", "0049 1 "),
        "NATIONAL_START": ("(0", "("),
        "IN_PARENTHESES": ("(555) 555-5555 ",),
        "WITH_ZERO": ("01 02 03 ", "0123 456 "),
        "WITHOUT_ZERO": ("555-555-", "8 (900) ", "13912345678"),
        "NUMBER_BEFORE": (),  # on two characters
        "NAMES_SOMETHING": ("a 1234567 ",),
        "LABEL": ("tel. 1234567", "phone no ", "电话1", "no no no 1234567"),
        "DIGIT_RUN": ("1()", "1   "),
        "NOT_A_PHONE": ("2020/12/",),
        "COUNTRY_CODES": (),  # on a phone number
    },
    "text/tokenize/characters.py": {"token_table": ()},  # of all characters, once
    "text/tokenize/shingle_words.py": {"unicode_tables": ()},  # likewise
    "text/tokenize/words.py": {
        "INTRICATE": ("\u0301", "\xad", "\u200d", "\U0001f600"),
        "PLAIN_WORD": ("a'", "'", "1.1", "1,", ".", "-", "a’b", "..a"),
        "ABBREVIATION": ("A.", "Mr. ", "St. A. ", "vs"),
        "any_word_pattern": LETTERS + ("_", "a_", "'", "\u0301", "a-", "1.1.", "あ漢", "ค", "!\u0301"),
        "sentence_end_pattern": (".", ". ", "…", '."', ".)", "?! ", "。", ".\n", '. "'),
    },
    "filters/bad_words.py": {"word_list_pattern": ("xxx", "x xx ", "porn", " ")},
    "filters/c4.py": {
        "CITATION": ("[", "[1", "[1]", "[edit", "[citation ", "]"),
        "word_beyond": ("a", "a ", "\u00e9", "a" * 1000 + " "),
    },
    "filters/custom.py": {"REASON": ()},  # of the names that a user gives
    "filters/dclm.py": {
        "URL": ("http://", "www.", " ", "1.1.1.", "ftp://a ", "http://a/b?c ", "www.a", "1.", "25"),
        "URL_HINT": ("://", "www.", "1.1.1", "1.1"),
        "DclmFilter": ("\n", "\n\n\n\n", "\n \n"),
    },
    "filters/gopher_quality.py": {"distinct_stop_words": ("the", "the ", "of.", "and_")},
    "filters/statistics.py": {"split_lazily": (*SPACES, "a", "a ")},
    "filters/refinedweb_lines.py": {
        "COUNTER": ("1 likes", "! ", "1,", "1.1k ", "1 ", "-1", "1 likes\n", "3 shares !"),
        "BUTTONS": ("items in cart", " read more...", "sign-in ", " ", "read more"),
        "ANY_BUTTON": ("items in ", "sign-", "read more.."),
        "WORD_START": (" a", "a", "_ ", "\n-"),
    },
    "url/blocklists.py": {"CATEGORY": ()},  # of the lists that a user gives
    "url/canonical.py": {
        "ESCAPE": ("%41", "%", "%4", "%e2%82", "ü", " "),
        "PATH_SESSION": (";", ";sid=", ";sid=1", ";jsessionid=1/", ";phpsessid"),
        "INDEX_PAGE": ("/index.html", "/default.aspx", "/index.", "/", "/.", "/..", "/a/..", "/./index.php"),
        "LEADING_WWW": ("www.", "www", "."),
    },
    "url/filter.py": {"TOKEN": ("a-", "_", "ab1"), "SEPARATORS": ("-", ".", "-.", "sex-")},
    "url/topic_by_address.py": {"WORD": ("forum", "a", "a1", "science/", "?a=1&")},
    "warc/containers.py": {
        "SKIPPABLE": ("\x50\x2a\x4d\x18", "\x50\x2a"),
        "MAGIC": ("\x1f\x8b\x08\x00", "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18", "\x1f\x8b"),
    },
    "warc/reader.py": {"STARTS": ("\x1f\x8b\x08\x00", "\x04\x22\x4d\x18\x40", "WARC/1.0\r\n")},
    "warc/records.py": {
        "VERSION": ("WARC/1", "WARC/1.0 ", "WARC/1.0\r\n", "WARC/"),
        "NO_TEXT": ("\x00", "\x1f"),
        "BLANK_LINE": ("\n\r", "\r", "\n"),
        "ARC_1": ("http:a ", "http:http:", "http:a 1.1.1.1 20200101 ", " 20200101 ", "20200101"),
        "ARC_2": ("http:a 1 20200101000000 a 200 ", "http:a b c "),
        "HEADER": ("http:a ", "WARC/1.0\r\nContent-", "WARC/1.0\n", "http:a 20200101000000 a 1"),
        "ARC_HEADER": ("http:a b 20200101 a ", "http:", "dns:a "),
    },
}
MARKUP = (
    "<div>", "<div>x", "<ul><li>x", "<li>x", "<a><div>", "<b><p>", "<b>", "<p>x", "<span>x", "<h1>x", "<dl><dt>x<dd>y",
    "<table><tr><td>x", "<tr><td>x<td>y", "<table><b>", "<pre>x\n", "<select><option>x", "<form><div></form>",
    "<math><mo>α", "<math><mi>x</mi></math>", "<math><msup><mi>x</mi>", "<math><msqrt>", "<math><mfrac>x",
    "α", "<a href=x>y</a> ",
    "<blockquote>x", "<p>x</p>\n", "<button>x", "<template>x", "<p hidden>x", "<br>", "<img alt=x>",
    "<nav><a>x</a></nav>", "<table><tr><td>x<td>x<tr><td rowspan=9>y</table>", "<dl><dt>x<dd>y</dl>",
    "<ul><li class=a>x</ul>", "<mjx-container><math><mi>x</math></mjx-container>", "<a style=display:none>x</a>",
)  # fmt: skip

# Elements that lie deeper and deeper in each other, for which HTML5's own algorithm takes the square of their number:
# the engines have them done in the sandbox.
DEEP = (
    "<div>", "<div>x", "<ul><li>x", "<a><div>", "<b><p>", "<b>", "<h1>x", "<dl><dt>x<dd>y", "<pre>x\n",
    "<form><div></form>", "<blockquote>x", "<button>x", "<template>x", "a<b>", "<b> a", "<i><br>", "<code>`", "<pre>\r",
    "<pre>`", "<p hidden>x", "<table><tr><td><table>", "<details><summary>x", "<div class=code>x<br>", "<pre><ol><li>x",
    "<div style=font-size:0>", "<sup><sup>",
)  # fmt: skip


def tokens_of(*rooms: str) -> list[str]:
    """Return the strings that attack the patterns of the modules that begin so, each once."""
    chosen = (names for module, names in PATTERNS.items() if module.startswith(rooms))
    return list(dict.fromkeys(token for names in chosen for tokens in names.values() for token in tokens))


def fill(token: str, size: int, before: str = "", after: str = "") -> str:
    """Return `token` repeated to `size` characters between two others."""
    return before + (token * (size // len(token) + 1))[:size] + after


def to_bytes(text: str) -> bytes:
    """Return text as the bytes that a pattern over bytes was written for."""
    return text.encode("latin-1", "backslashreplace")


def read_bytes(data: bytes) -> None:
    """Read the first quarter of a crawl file's bytes: a search for headers takes long for each of them."""
    try:
        for _ in read_crawl_records(io.BytesIO(data[: len(data) // 4])):
            pass
    except NotACrawlFile:
        pass


def read_response(data: bytes) -> None:
    """Parse a response, find its type and decode its body."""
    response = parse_response(data)
    detect_mime_type(response)
    decode_body(response.body, response.header("content-type"))


MARKS = "\u0316\u0300"  # combining marks, which Unicode's normal forms sort
HTML_CONTEXTS = [
    ("", ""),
    ("<html><head>", "</head><body><p>x"),
    ("<script type='application/ld+json'>[", "]</script>"),
    ('<meta name="robots" content="', '">'),
    ('<div class="', '">x'),
    ("<title>", "</title><p>x"),
    ("<link rel=canonical href='//", "'>"),
]
RESPONSE_CONTEXTS = [
    ("HTTP/1.1 200 OK\r\n\r\n", ""),
    ("HTTP/1.1 200 OK\r\n\r\ncaf\xe9 \xff\xe8" + "\xe9" * 20, ""),
    ("HTTP/1.1 200 OK\r\nContent-Type: ", "\r\n\r\n<html>x\xe9"),
    ("HTTP/1.1 200 OK\r\nContent-Encoding: ", "\r\n\r\n<html>x"),
    ("HTTP/1.1 200 OK\r\nX: y\r\n", "\r\n\r\n<html>x"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    ("", ""),
]
URL_CONTEXTS = [
    ("https://", ".org/"),
    ("https:/\t/", ""),
    ("https://example.org/", ""),
    ("https://example.org/?", ""),
    ("", ""),
]
RECORD_CONTEXTS = [("", ""), ("WARC/1.0\r\nWARC-Type: response\r\nX: ", ""), ("http://a", "")]
ROW_CONTEXTS = [("", ""), ('{"text": "', '"}\n')]
TEXT_CONTEXTS = [("", ""), ("The mill is old. ", " It stands by the river.\n")]
ALL_FILTERS = RulesConfig(**{name: made() for name, made in built_in_filters().items()})
DATATROVE_FILTERS = RulesConfig(
    gopher_repetition=GopherRepetitionFilter(variant="datatrove"),
    gopher_quality=GopherQualityFilter(variant="datatrove"),
    c4=C4Filter(variant="paper", terminal_punctuation=False),
)


def remove_half_of_lines(text: str) -> None:
    """Find the keys of a text's lines and remove every second one."""
    for preset in LINE_PRESETS.values():
        compute_line_keys([text], preset)
        spans = find_line_spans(text, preset.unit)
        remove_spans(text, spans[::2], preset)


def read_text_lines(text: str) -> None:
    """Read a text as an input of JSON lines."""
    with suppress(NotATextInput):
        for _ in read_input_texts(io.BytesIO(to_bytes(text)), "x.jsonl", 0, None, TextColumns(), 1 << 30):
            pass


@pytest.fixture(scope="module")
def functions() -> dict[str, tuple[Callable[[str], object], list[str], list[tuple[str, str]]]]:
    """Return the per-page functions, each with the strings and the surroundings that it is tried with."""
    model, rules = LanguageModel.load(), UrlFilter(UrlRules())
    patch = pytest.MonkeyPatch()
    patch.setattr(
        engines.LoadedEngine, "ask_helper", lambda *asked: engines.Extraction(*[""] * 6)
    )  # which has limits of its own
    head = tokens_of("html/metadata", "text/entities", "language/prefilter")
    page = [
        *tokens_of("html/elements", "html/dom", "html/main_content", "language/prefilter", "text/entities"),
        *MARKUP,
    ]
    words = tokens_of("text/tokenize", "text/line_keys", "text/minhash")
    prose = [*tokens_of("filters"), *words]
    responses = tokens_of("html/http", "html/charset", "html/encoding_guess", "html/double_encoding")
    invisible = tokens_of("html/engines", "text/invisible")
    question = "the mill is old and it stands by the river for many years"
    index = ItemIndex.build([[question]], 8, 5, 0.75)
    shallow = [
        token for token in [*tokens_of("html/elements", "html/dom", "html/main_content"), *MARKUP] if token not in DEEP
    ]
    found = {
        "response": (
            lambda t: read_response(to_bytes(t)),
            responses,
            RESPONSE_CONTEXTS,
        ),
        "records": (lambda t: read_bytes(to_bytes(t)), tokens_of("warc"), RECORD_CONTEXTS),
        "robots": (lambda t: robots_directives([("x-robots-tag", t)], t), head, HTML_CONTEXTS),
        "metadata": (lambda t: extract_metadata(t, "https://example.org/"), [*head, MARKS], HTML_CONTEXTS),
        "date": (lambda t: find_date(t, "https://example.org/", "2024-01-01"), [*head, *MARKUP], HTML_CONTEXTS[:1]),
        "prefilter": (lambda t: prefilter_pages([t], ["de"], 0.05, model), head, HTML_CONTEXTS[:1]),
        "engine": (partial(run_engine, load_engine("gristmill")), page, HTML_CONTEXTS[:1]),
        "main content": (partial(extract_markdown, load_main_content_model()), shallow, HTML_CONTEXTS[:1]),
        "url": (lambda t: (canonical_url(t), url_domain(t), find_topic(t)), [*tokens_of("url"), MARKS], URL_CONTEXTS),
        "url filter": (rules.reject, [*tokens_of("url"), MARKS], URL_CONTEXTS),
        "tidy": (lambda t: (tidy_lines(t), tidy_markdown(t)), invisible, TEXT_CONTEXTS),
        "text lines": (
            read_text_lines,
            ["{", "[", '{"text":"a"}\n', "1", "\\u0041", "\n"],
            [("", ""), ('{"text": "', '"}\n')],
        ),
        "plain text": (lambda t: (clean_plain_text(t), escape_controls(t)), invisible, TEXT_CONTEXTS),
        "entities": (unescape_entities, tokens_of("text/entities"), TEXT_CONTEXTS),
        "language": (
            lambda t: (model.identify([t]), model.measure_shares([t], ["en"])),
            tokens_of("language"),
            TEXT_CONTEXTS,
        ),
        "filters": (partial(run_filters, ALL_FILTERS), prose, TEXT_CONTEXTS[1:]),
        "datatrove filters": (partial(run_filters, DATATROVE_FILTERS), words, TEXT_CONTEXTS[:1]),
        "bad words": (partial(run_filters, RulesConfig(bad_words=BadWordsFilter())), prose, TEXT_CONTEXTS[:1]),
        "pii": (lambda t: mask_pii(t, PiiConfig(phones=True)), tokens_of("text/pii"), TEXT_CONTEXTS[1:]),
        "minhash": (lambda t: (sign_texts([t], MinHashParams()), hash_text(t)), words, TEXT_CONTEXTS[:1]),
        "line keys": (remove_half_of_lines, words, TEXT_CONTEXTS[:1]),
        "words": (lambda t: (split_words(t), count_sentences(t)), words, TEXT_CONTEXTS[:1]),
        "quality": (lambda t: load_ensemble_model().score_pages([t], ["en"]), words, TEXT_CONTEXTS[:1]),
        "topic and type": (classify_page, [*words, *tokens_of("url")], [*TEXT_CONTEXTS[:1], ("https:/\t/", "")]),
        "decontamination": (lambda t: index.spans([t]), [*words, question, question[:15]], TEXT_CONTEXTS[:1]),
    }
    yield found
    patch.undo()


def classify_page(text: str) -> object:
    """Tell the topic and the type of a page with this text, and with this address."""
    texts, urls = [text, ""], ["", text]
    return load_shipped_model().predict_topics(texts, urls), predict_page_types(load_page_type_model(), texts, urls)


def run_filters(rules: RulesConfig, text: str) -> object:
    """Hold a text against every threshold of the filters."""
    return check_filters(load_filters(rules), text, "en")


def extract_markdown(model: MainContentModel, html: str) -> object:
    """Extract a page without the limits that send it to the sandbox."""
    return extract_main_content(html, "https://docs.example.org/a/b", 0.0, True, True, model)


def run_engine(engine: engines.Engine, html: str) -> object:
    """Extract a page in this process."""
    return engine(html, "https://example.org/")


class HangingError(Exception):
    """A function took more than HANGING seconds."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise HangingError in a block that takes too long; regular expressions look at signals now and then."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise HangingError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, HANGING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def cpu_seconds(function: Callable[[str], object], text: str, tries: int = 1) -> float:
    """Return the least CPU time, in seconds, of some calls."""
    taken = []
    for _ in range(tries):
        start = time.process_time()
        function(text)
        taken.append(time.process_time() - start)
    return min(taken)


def find_growth(function: Callable[[str], object], make: Callable[[int], str]) -> str:
    """Return what is wrong with how a function's time grows, "" for nothing.

    What looks steep is measured again at larger sizes: the square of the size stays steep there, and noise does not.
    """
    try:
        with time_limit():
            # A time that grows with the square of the size ends below the floor, too.
            if (small := cpu_seconds(function, make(SIZES[0]))) < FLOOR / 16:
                return ""
            if cpu_seconds(function, make(SIZES[-1])) < max(FLOOR, small * MOST_GROWTH**2):
                return ""
        taken = np.full(len(LARGER_SIZES), np.inf)
        for _ in range(TRIES):
            with time_limit():
                taken = np.minimum(taken, [cpu_seconds(function, make(size)) for size in LARGER_SIZES])
            if (growth := (taken[1] / taken[0]) ** (1 / 2)) <= SURE_GROWTH:
                return ""
    except HangingError:
        return f"takes more than {HANGING} s"
    return f"the time grows {growth:.1f} times as the input doubles: {np.round(taken, 3).tolist()} s"


@pytest.mark.parametrize(
    "name",
    [
        "response", "records", "robots", "metadata", "date", "prefilter", "engine", "main content", "url", "url filter",
        "tidy", "text lines", "plain text", "entities", "language", "filters", "datatrove filters", "bad words", "pii",
        "minhash", "line keys", "words", "quality", "topic and type", "decontamination",
    ],
)  # fmt: skip
def test_time_grows_with_the_size_of_the_input_alone(name: str, functions: dict) -> None:
    function, tokens, contexts = functions[name]
    function("warm up <p>x</p> http://example.org/")
    gc.disable()
    try:
        faults = [
            f"{name}, {token!r} between {before!r} and {after!r}: {fault}"
            for token in tokens
            for before, after in contexts
            if (fault := find_growth(function, partial(fill, token, before=before, after=after)))
        ]
    finally:
        gc.enable()
    assert not faults, "\n".join(faults)


def named_patterns(path: Path) -> set[str]:
    """Return the module-level names under which a file has regular expressions that are written in it."""
    found = set()
    for top in ast.parse(path.read_text(encoding="utf-8")).body:
        for node in ast.walk(top):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr == "escape":
                continue
            if isinstance(node.func.value, ast.Name) and node.func.value.id in ("re", "regex"):
                target = top.targets[0] if isinstance(top, ast.Assign) else getattr(top, "target", top)
                target = target.elts[0] if isinstance(target, ast.Tuple) else target
                found.add(target.id if isinstance(target, ast.Name) else getattr(top, "name", "?"))
    return found


def test_every_pattern_has_its_place_in_the_catalogue() -> None:
    written = {
        path.relative_to(ROOT).as_posix(): names
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if (names := named_patterns(path))
    }
    assert written == {module: set(names) for module, names in PATTERNS.items()}, (
        "PATTERNS of this file is to be mended"
    )


def test_a_new_pattern_is_noticed(tmp_path: Path) -> None:
    source = "import re\nA = re.compile('a+')\nB, C = re.compile('b'), 1\ndef f(x):\n    return re.sub('c', '', x)\n"
    (tmp_path / "new.py").write_text(source)
    assert named_patterns(tmp_path / "new.py") == {"A", "B", "f"}


def test_what_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "HANGING", 0.5)
    assert find_growth(lambda text: re.search("(a|a)*b", text), lambda size: "a" * (size // 1000 + 10))
    assert find_growth(lambda text: re.search("a*b", text), lambda size: "a" * (size // 10))
    assert not find_growth(lambda text: text.split("a"), partial(fill, "a "))
