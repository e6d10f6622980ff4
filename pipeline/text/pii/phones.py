"""Finds phone numbers: international ones, those as they are written at home, and any number that is labelled as one.

A number at home is known by its grouping. A grouping that other numbers have too (`601 234 567`, `12 34 56 78`) counts
only behind a label.
"""

import re

from pipeline.text.pii.accounts import is_after_book_or_version
from pipeline.text.pii.borders import AFTER_MASK, NOT_AFTER, NOT_BEFORE, WORD, Span, add_free_spans

DIGITS = re.compile(r"[0-9]")
INTERNATIONAL = re.compile(
    r"[+0]"
    + AFTER_MASK
    + rf"(?<![{WORD}+].)(?:(?<=\+)|(?<=0)0(?=[1-9][0-9]{{0,2}}[ ./(-]))[ ]?[1-9]"
    + r"(?:[ ./-]{0,2}(?:\(0?\)|\([0-9]{1,5}\)|[0-9])){6,15}"
    + NOT_AFTER
)
COUNTRY_CODES = re.compile(
    "1|7|20|27|3[0123469]|4[013456789]|5[12345678]|6[0123456]|8[1246]|9[0123458]|2[1-9][0-9]|3[578][0-9]|42[013]|"
    "50[0-9]|59[0-9]|6[789][0-9]|80[08]|85[02356]|88[0-8]|9[679][0-9]"
)  # ITU-T E.164's assigned country codes

NATIONAL_START = re.compile(r"[(0-9]" + NOT_BEFORE + r"(?=(?:[ ().\/-]{0,3}[0-9]){7})")
LAST = "(?! [0-9])" + NOT_AFTER
YEAR = r"(?:19|20)[0-9]{2}(?![0-9])"
TWO, THREE, FOUR = r"[0-9]{2}", r"[0-9]{3}", r"[0-9]{4}"
# Numbers that begin with an area in parentheses.
IN_PARENTHESES = re.compile(
    rf"\((?:[2-9]{TWO}\)[ -]?[2-9]{TWO}[ .-]{FOUR}{NOT_AFTER}"  # North America
    rf"|(?:0[1-9]\)[ ]?(?:[0-9]{{7,8}}|[0-9]{{3,4}}[ -]{FOUR}|{THREE}[ -](?:{TWO}[ -][0-9]{{2,3}}|{THREE}[ -]{TWO}))"
    rf"|0[1-9][0-9]{{1,4}}\)[ ]?(?:[0-9]{{5,8}}|[0-9]{{3,4}}[ .-][0-9]{{3,4}}|{THREE}[ .-]{TWO}[ .-]{TWO}"
    rf"|{TWO}[ .-]{TWO}[ .-]{TWO}(?:[ .-]{TWO})?)"
    rf"|[1-9][0-9]\)[ ]?(?:9[ ]?)?{FOUR}[ -]{FOUR}"  # Brazil, Mexico
    rf"|[3-9]{TWO}\)[ ]?{THREE}-{TWO}-{TWO}){LAST})"  # Russia
)
# Numbers that begin with the 0 of a trunk call.
WITH_ZERO = re.compile(
    rf"0(?:[1-9](?:([ .-]){TWO})(?:\1{TWO}){{3}}"  # France: five pairs
    rf"|[1-9][ /-](?:[0-9]{{7,8}}|[0-9]{{3,4}}[ -]{FOUR}|{THREE}[ -](?:{TWO}[ -][0-9]{{2,3}}|{THREE}[ -]{TWO}))"
    rf"|[1-9][0-9]{{1,2}}[ ./-](?:[0-9]{{6,8}}|[0-9]{{3,4}}[ .-][0-9]{{3,4}}|{THREE}[ .-]{TWO}[ .-]{TWO}"
    rf"|{TWO}[ .-]{TWO}[ .-]{TWO}(?:[ .-]{TWO})?)(?!/[0-9])"
    rf"|[1-9][0-9]{{3,4}}[ /](?:[0-9]{{5,7}}|[0-9]{{3,4}}[ -][0-9]{{3,4}})"
    rf"|[1-9][0-9]{{0,2}}\([0-9]{{2,4}}\){FOUR}"  # Japan
    rf"|[ ]\(?[2-5]{TWO}\)? {THREE} {TWO} {TWO}"  # Turkey
    rf"|6[ /-](?:1|[2-9][0-9])[ /-]{THREE}[ -][0-9]{{3,4}})" + LAST  # Hungary
)
# Numbers without an area, or with one that begins with another digit.
WITHOUT_ZERO = re.compile(
    rf"(?:(?:1[ .-])?[2-9]{TWO}([.-])[2-9]{TWO}(?:\1|[ .-]){FOUR}{NOT_AFTER}"  # North America
    rf"|(?:(?<!  )[2-9]{TWO}([ -])(?!000){THREE}\2(?!{YEAR}){FOUR}"  # the same, Greece, Colombia
    rf"|8[ -]?\(?[3-9]{TWO}\)?[ -]{THREE}[ -]{TWO}[ -]{TWO}|[3-9]{TWO} {THREE}-{TWO}-{TWO}"  # Russia
    rf"|[6-9]{TWO}([ .-]){TWO}(?:\3{TWO}){{2}}|[1-9][0-9] {THREE}[ -]{TWO}[ -]{TWO}"  # Spain, Poland
    rf"|[2-9]{TWO} {TWO} {THREE}"  # Norway
    rf"|[1-9][0-9] (?:9{FOUR}-|(?!{YEAR}){FOUR}[ -](?!{YEAR})){FOUR}|9 {FOUR} {FOUR}"  # Brazil, Mexico, Chile
    rf"|[6-9]{FOUR}[ -]{THREE}{TWO}|1[38]00 {THREE} {THREE}"  # India, Australia
    rf"|1[3-9][0-9]([ -]){FOUR}\4{FOUR}|400-(?:{THREE}-{FOUR}|{FOUR}-{THREE})"  # China
    rf"|(?<=[\u3400-\u9fff:])1[3-9][0-9]{{9}}|1[3-9][0-9]{{9}}(?=[\u3400-\u9fff])){LAST})"
)
NUMBER_BEFORE = re.compile(r"[0-9>][ |]")  # a row of numbers, where ever so many groups look like a phone's

# The words and signs before a number that say it is a phone's, and what may stand between the two.
LABEL = re.compile(
    rf"(?:(?i:(?<![<{WORD}])(?:tel(?:[eé](?:ph|f)on[a-zéoeus]*)?|t[eé]l[eé]?f?|telf|tlfn?|tfn|tfno|phones?|ph|fax|mobile|"
    r"mobil|m[oó]vil|celular|cel|cell|cellphone|gsm|handy|natel|whatsapp|viber|hotline|helpline|fono|puhelin|puh|"
    r"telefax|téléphone|portable|ligue|llame|llama(?:r|nos)?|llámenos|zadzwoń|dzwoń|volejte|chiama|appelez|anrufen|"
    r"call(?: us| me)?|dial|sms|тел|телефон[а-я]{0,2}|факс|моб|звоните|τηλ|τηλέφωνο|κιν|điện thoại|đt|sđt)|"
    r"电话|電話|手机|手機|传真|傳真|热线|熱線|携帯|致电|拨打|撥打|ファックス|전화|연락처|휴대폰|휴대전화|팩스|โทร|โทรศัพท์|"
    r"هاتف|تلفون|جوال|موبايل|تلفن|واتساب|טלפון|טל|נייד|פקס|फोन|फ़ोन|मोबाइल|"
    r"[☎☏📞📱✆])"
    r"[\ufe0e\ufe0f.]?(?:/ ?(?i:fax|tel|mobile|факс)\.?)?"
    r"(?: ?(?i:nos?|nr|numbers?|numero|número|numéro|номер|at|on|is|us|directly)\b\.?|"
    r"号码|號碼|番号|번호|號|号){0,3}"
    r"[はを는은]?[ ]{0,2}[.:)=]?[ ]{0,3}\(?$)"
)
NAMES_SOMETHING = re.compile(r"[^\W\d_]|[☎☏📞📱✆]")
LABEL_LENGTH = 40  # characters in which a label and what stands between are looked for
DIGIT_RUN = re.compile(r"[0-9](?:[ .()/-]{0,3}[0-9]){5,14}" + NOT_AFTER)
NOT_A_PHONE = re.compile(
    r"(?:(?:19|20)[0-9]{2}[-/. ]{1,3}(?:19|20)[0-9]{2}"  # years
    r"|(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}"  # dates
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)?[0-9]{2})(?![0-9])"
)


def find_phones(line: str) -> list[Span]:
    """Return where phone numbers are. Spans rise and do not overlap."""
    spans = [match.span() for match in INTERNATIONAL.finditer(line) if is_international(match[0])]
    spans = add_free_spans(spans, find_national(line))
    return add_free_spans(spans, find_labelled(line))


def is_international(written: str) -> bool:
    """Accept 8 to 15 digits of an assigned country code; "+20 000 000" is a sum of money, not a number in Egypt."""
    digits = "".join(DIGITS.findall(written.replace("(0)", ""))).removeprefix("00")
    code = COUNTRY_CODES.match(digits)
    if not code or not 8 <= len(digits) <= 15:
        return False
    rest = digits[code.end() :]
    if code[0] == "1":
        return len(rest) == 10 and rest[0] > "1" and rest[3] > "1"
    return rest[0] != "0" or code[0] == "39"


def find_national(line: str) -> list[Span]:
    """Return where numbers are written as at home in one of many countries."""
    spans: list[Span] = []
    end = 0
    for found in NATIONAL_START.finditer(line):
        start = found.start()
        if start < end or NUMBER_BEFORE.match(line, start - 2 if start > 1 else len(line)):
            continue
        written = {"(": IN_PARENTHESES, "0": WITH_ZERO}.get(found[0], WITHOUT_ZERO).match(line, start)
        if written:
            end = written.end()
            if not is_after_book_or_version(line, start):
                spans.append((start, end))
    return spans


def find_labelled(line: str) -> list[Span]:
    """Return where numbers stand behind a label."""
    spans: list[Span] = []
    for match in DIGIT_RUN.finditer(line):
        start = match.start()
        before = line[max(0, start - LABEL_LENGTH) : start]
        if NAMES_SOMETHING.search(before) and LABEL.search(before) and not NOT_A_PHONE.match(match[0]):
            spans.append((start - before.endswith("("), match.end()))
    return spans
