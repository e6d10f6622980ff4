"""Text that is data or a program by accident: JSON, scripts and style rules that an author or a tool left in the open.

Code that is shown as code is not looked at. A text counts only if it is nothing but such a fragment.
"""

import re

LONGEST_READ = 4000  # characters of a block that are looked at
SHORTEST = 12
JSON_START = re.compile(r"[\[{]\s*(?:[\[{]\s*)*\"[^\"]{0,200}\"\s*[:,\]]|\{\s*\}|\[\s*\]")
JSON_PAIR = re.compile(r"\"\s*:\s*[\"\[{\d\-tfn]")
SCRIPT_START = re.compile(
    r"(?:var|let|const)\s+[\w$]{1,60}\s*=|(?:window|document|jQuery|\$|dataLayer|googletag|gtag|ga|fbq|_gaq|_paq|adsbygoogle|"
    r"Drupal|wp|ezoic\w*|OA_show|self|console)\s*[.(\[=]|[(!]?\s*(?:async\s+)?function\b[^{}]{0,100}\{|"
    r"\(+\s*(?:\(\s*\)|\w{1,30})\s*=>|"
    r"\(?\s*(?:window\.)?adsbygoogle|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[|if\s*\([^{}]{1,200}\)\s*\{|try\s*\{|"
    r"!function|import\s+[\w{*]|@(?:media|import|font-face|charset|keyframes)\b"
)
SCRIPT_END = re.compile(r"[;)}\]]\s*(?://.{0,80}|\*/|-->|\]\]>)?\Z")
DECLARATION = r"\s*[\w-]{1,40}\s*:[^{};]{1,400}"
STYLE_RULES = re.compile(
    r"(?:\s*[\w.#*:@\[][^{};]{0,300}\{" + DECLARATION + "(?:;" + DECLARATION + r"){0,60};?\s*\})+\s*\Z"
)
PLACEHOLDERS = re.compile(r"(?:\{\{[^{}]{1,200}\}\}\s*)+\Z")
SIGNS = "{}()[];=\"':<>&|\\"


def is_script_text(text: str) -> bool:
    """Tell whether a text is JSON, a script or style rules and nothing else. It looks at its beginning and its end."""
    text = text.strip()
    if len(text) < SHORTEST or "$$" in text:
        return False
    head = text[:LONGEST_READ]
    if text[0] in "{[" and JSON_START.match(head):
        return bool(JSON_PAIR.search(head)) or sum(map(head.count, '"[]{}')) > 0.15 * len(head)
    if SCRIPT_START.match(head) and SCRIPT_END.search(text[-100:]):
        return sum(map(head.count, SIGNS)) > 0.05 * len(head)
    return text.endswith("}") and bool(STYLE_RULES.match(head) or PLACEHOLDERS.match(head))
