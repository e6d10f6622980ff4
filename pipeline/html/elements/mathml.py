"""MathML as LaTeX: the author's own LaTeX where the element carries it, else a translation of presentation MathML."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from selectolax.lexbor import LexborNode

DEEPEST = 60  # levels of nesting that are translated; below that only the characters are taken
OPERATORS = {
    "×": "\\times", "÷": "\\div", "±": "\\pm", "∓": "\\mp", "⋅": "\\cdot", "·": "\\cdot", "≤": "\\le", "≥": "\\ge",
    "≠": "\\ne", "≈": "\\approx", "≡": "\\equiv", "∼": "\\sim", "∝": "\\propto", "∞": "\\infty", "∈": "\\in",
    "∉": "\\notin", "⊂": "\\subset", "⊆": "\\subseteq", "∪": "\\cup", "∩": "\\cap", "∅": "\\emptyset", "∀": "\\forall",
    "∃": "\\exists", "¬": "\\neg", "∧": "\\land", "∨": "\\lor", "→": "\\to", "←": "\\leftarrow",
    "↔": "\\leftrightarrow",
    "⇒": "\\Rightarrow", "⇔": "\\Leftrightarrow", "∑": "\\sum", "∏": "\\prod", "∫": "\\int", "∮": "\\oint",
    "∂": "\\partial", "∇": "\\nabla", "√": "\\sqrt", "…": "\\dots", "⋯": "\\cdots", "−": "-", "′": "'", "{": "\\{",
    "}": "\\}", "%": "\\%", "#": "\\#", "&": "\\&", "α": "\\alpha", "β": "\\beta", "γ": "\\gamma", "δ": "\\delta",
    "ε": "\\varepsilon", "ϵ": "\\epsilon", "ζ": "\\zeta", "η": "\\eta", "θ": "\\theta", "ι": "\\iota", "κ": "\\kappa",
    "λ": "\\lambda", "μ": "\\mu", "ν": "\\nu", "ξ": "\\xi", "π": "\\pi", "ρ": "\\rho", "σ": "\\sigma", "τ": "\\tau",
    "υ": "\\upsilon", "φ": "\\varphi", "ϕ": "\\phi", "χ": "\\chi", "ψ": "\\psi", "ω": "\\omega", "Γ": "\\Gamma",
    "Δ": "\\Delta", "Θ": "\\Theta", "Λ": "\\Lambda", "Ξ": "\\Xi", "Π": "\\Pi", "Σ": "\\Sigma", "Φ": "\\Phi",
    "Ψ": "\\Psi", "Ω": "\\Omega",
}  # fmt: skip
INVISIBLE = dict.fromkeys("\u2061\u2062\u2063\u2064\u200b", "")
ACCENTS = {"¯": "\\bar", "‾": "\\overline", "^": "\\hat", "ˆ": "\\hat", "~": "\\tilde", "˜": "\\tilde", "→": "\\vec",
           "⃗": "\\vec", "˙": "\\dot", ".": "\\dot", "¨": "\\ddot"}  # fmt: skip
LARGE = ("\\sum", "\\prod", "\\int", "\\oint", "\\lim", "\\max", "\\min", "\\sup", "\\inf")
FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh log ln exp lim max min sup inf det arg deg dim ker gcd".split()
)
TOKENS = frozenset(("mi", "mn", "mo"))
TABLES = {"mtr": ("", " & ", ""), "mtable": ("\\begin{matrix}", " \\\\ ", "\\end{matrix}")}
LONGEST_ALT = 3000  # characters of a picture's text that are read
TEX_IMAGE = re.compile(r"(?<![a-z])(?:latex|tex|mathtex|mimetex|mwe-math|math|equation|formula)(?![a-z])", re.I)
FALLBACK = "fallback"  # in the names of pictures that go with MathML
WEAK_NAMES = frozenset(("math", "equation", "formula"))  # of pictures of other things, too
TEX_SERVICE = re.compile(
    r"latex\.php\?(?:latex=)?|codecogs\.com/[\w.]{1,20}\?|(?:math|mime)tex\.cgi\?|cht=tx&(?:amp;)?chl="
)
STATED_LATEX = re.compile(r"\$[^$]*\$\Z|\\[(\[].*\\[)\]]\Z|\{\\displaystyle", re.S)
TEX_SIGN = re.compile(r"[\\^_{}=]")
DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("{\\displaystyle", "}"))
DROPPED = frozenset(("annotation", "annotation-xml", "mspace", "mphantom", "-comment"))


def read_annotation(node: LexborNode) -> str:
    """Return the LaTeX that a <math> element carries (an annotation, else its alttext), or ""."""
    for child in node.css("annotation"):
        encoding = (child.attributes.get("encoding") or "").lower()
        if "tex" in encoding:
            return child.text().strip()
    return (node.attributes.get("alttext") or "").strip()


def translate_to_latex(node: LexborNode, depth: int = 0) -> str:
    """Translate an element of presentation MathML."""
    tag = node.tag or ""
    if tag == "-text" or depth > DEEPEST:
        return "".join(map(_translate_symbol, node.text(deep=True).split()))
    if tag in DROPPED:
        return ""
    if tag in TOKENS:
        return _translate_token(tag, "".join(node.text().split()))
    if tag in ("mtext", "ms"):
        text = " ".join(node.text().split())
        return f"\\text{{{text}}}" if text else ""
    parts = [translate_to_latex(child, depth + 1) for child in _child_elements(node)]
    if tag in TABLES:
        before, between, after = TABLES[tag]
        return before + between.join(parts) + after
    if tag == "msqrt":
        return f"\\sqrt{{{_join_parts(parts)}}}"
    if tag == "mfenced":
        opening, closing = node.attributes.get("open", "("), node.attributes.get("close", ")")
        return f"{_translate_symbols(opening or '')}{', '.join(parts)}{_translate_symbols(closing or '')}"
    return _arrange_parts(tag, [part.strip() for part in parts])


def render_maths(node: LexborNode) -> str:
    """Return a <math> element as LaTeX between dollar signs: its own LaTeX where it has it, else translated."""
    latex = read_annotation(node) or translate_to_latex(node)
    latex = " ".join(latex.split())
    if latex.startswith("{\\displaystyle") and latex.endswith("}"):
        latex = latex[len("{\\displaystyle") : -1].strip()
    if not latex:
        return ""
    return f" $${latex}$$ " if node.attributes.get("display") == "block" else f"${latex}$"


def render_copied_maths(node: LexborNode) -> str:
    """Return the formula of an element that shows it rendered and holds it as MathML too; "" where it does not."""
    maths = node.css_first("math")
    latex = render_maths(maths) if maths is not None else ""
    if latex and node.attributes.get("display") == "true" and not latex.startswith(" $$"):
        return f" $${latex.strip('$')}$$ "
    return latex


def read_image_latex(node: LexborNode, attributes: Mapping[str, str | None]) -> str:
    """Return the LaTeX of a picture of a formula between dollar signs, "" for any other picture."""
    names, source = attributes.get("class") or "", (attributes.get("src") or attributes.get("data-src") or "")[:4000]
    text = (attributes.get("alt") or attributes.get("title") or "")[:LONGEST_ALT]
    if not may_be_formula(names, source, text):
        return ""
    return read_formula_image(node, names, source, text)


def read_formula_image(node: LexborNode, names: str, source: str, text: str) -> str:
    """Return the LaTeX of a picture by its class names, its address and its text; "" where they tell of no formula."""
    named, drawn = TEX_IMAGE.search(names), TEX_SERVICE.search(source)
    if not (named or drawn or STATED_LATEX.match(text.strip())) or (FALLBACK in names and follows_maths(node)):
        return ""
    if drawn and not text.strip():
        text = unquote_plus(source[drawn.end() :].partition("&" if drawn[0][-1] == "=" else "#")[0])
    latex = remove_delimiters(" ".join(text.split()))
    weak = named is not None and named[0].lower() in WEAK_NAMES and not drawn
    if not latex or (weak and not TEX_SIGN.search(latex)):
        return ""
    return show_as_formula(latex, names)


def may_be_formula(names: str, source: str, text: str) -> bool:
    """Tell whether a picture may be a formula: a quick look, before any pattern."""
    if "tex" in source or "cht=tx" in source or "codecogs" in source or "\\" in text or "$" in text:
        return True
    names = names.lower()
    return "tex" in names or "math" in names or "equation" in names or "formula" in names or not names.isascii()


def show_as_formula(latex: str, names: str) -> str:
    """Return LaTeX between dollar signs: two where the class of its picture says that it stands by itself."""
    return f" $${latex}$$ " if "display" in names or "block" in names else f"${latex}$"


def follows_maths(node: LexborNode) -> bool:
    """Tell whether the element before a picture holds MathML, of which it is the picture."""
    before = node.prev
    return before is not None and before.css_first("math") is not None


def remove_delimiters(latex: str) -> str:
    """Return LaTeX without dollar signs or other delimiters around it."""
    for opening, closing in DELIMITERS:
        if latex.startswith(opening) and latex.endswith(closing) and len(latex) > len(opening) + len(closing):
            return latex[len(opening) : -len(closing)].strip()
    return latex


def _translate_token(tag: str, text: str) -> str:
    """Translate an identifier, a number or an operator."""
    if tag == "mi" and len(text) > 1 and text.isascii():
        return f"\\{text} " if text in FUNCTIONS else f"\\mathrm{{{text}}}"
    return _translate_symbols(text)


def _arrange_parts(tag: str, parts: list[str]) -> str:
    """Put the parts of a fraction, root or script together; of anything else, in a row."""
    count, arrange = ARRANGED.get(tag, (0, None))
    return arrange(*parts) if arrange and len(parts) == count else _join_parts(parts)


def _group_base(base: str) -> str:
    """Return the base of a script, in braces where it is more than one symbol."""
    return base if len(base) == 1 or base.startswith("\\") else f"{{{base}}}"


def _place_under(base: str, under: str) -> str:
    """Translate <munder>."""
    return f"{_group_base(base)}_{{{under}}}" if base.startswith(LARGE) else f"\\underset{{{under}}}{{{base}}}"


def _place_over(base: str, over: str) -> str:
    """Translate <mover>."""
    accent = ACCENTS.get(over) or ("\\vec" if over == "\\to" else "")
    if accent:
        return f"{accent}{{{base}}}"
    return f"{_group_base(base)}^{{{over}}}" if base.startswith(LARGE) else f"\\overset{{{over}}}{{{base}}}"


def _place_under_and_over(base: str, under: str, over: str) -> str:
    """Translate <msubsup> and <munderover>."""
    return f"{_group_base(base)}_{{{under}}}^{{{over}}}"


# How elements with a fixed number of parts are written.
ARRANGED: dict[str, tuple[int, Callable[..., str]]] = {
    "mfrac": (2, lambda above, below: f"\\frac{{{above}}}{{{below}}}"),
    "mroot": (2, lambda base, index: f"\\sqrt[{index}]{{{base}}}"),
    "msup": (2, lambda base, over: f"{_group_base(base)}^{{{over}}}"),
    "msub": (2, lambda base, under: f"{_group_base(base)}_{{{under}}}"),
    "msubsup": (3, _place_under_and_over),
    "munderover": (3, _place_under_and_over),
    "munder": (2, _place_under),
    "mover": (2, _place_over),
}


def _child_elements(node: LexborNode) -> list[LexborNode]:
    return [child for child in node.iter(include_text=True) if child.tag != "-text" or child.text(deep=True).strip()]


def _join_parts(parts: list[str]) -> str:
    """Join with a space only after a command that a letter would lengthen."""
    joined: list[str] = []
    in_command, letters = False, 0  # whether all is letters since the last backslash, and how many
    for part in parts:
        if in_command and letters and part[:1].isalpha():
            part = " " + part
        joined.append(part)
        if "\\" in part:
            in_command, letters, part = True, 0, part.rpartition("\\")[2]
        in_command = in_command and (not part or part.isalpha())
        letters += len(part)
    return "".join(joined)


def _translate_symbols(text: str) -> str:
    return _join_parts([_translate_symbol(char) for char in text])


def _translate_symbol(char: str) -> str:
    return INVISIBLE.get(char, OPERATORS.get(char, char))
