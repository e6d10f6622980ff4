"""MathML as LaTeX: the author's own LaTeX where the element carries it, else a translation of presentation MathML."""

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
        text = "".join(node.text().split())
        if tag == "mi" and len(text) > 1 and text.isascii():
            return f"\\{text} " if text in FUNCTIONS else f"\\mathrm{{{text}}}"
        return _translate_symbols(text)
    if tag in ("mtext", "ms"):
        text = " ".join(node.text().split())
        return f"\\text{{{text}}}" if text else ""
    parts = [translate_to_latex(child, depth + 1) for child in _child_elements(node)]
    if tag == "mtr":
        return " & ".join(parts)
    if tag == "mtable":
        return "\\begin{matrix}" + " \\\\ ".join(parts) + "\\end{matrix}"
    if tag == "msqrt":
        return f"\\sqrt{{{_join_parts(parts)}}}"
    if tag == "mfenced":
        opening, closing = node.attributes.get("open", "("), node.attributes.get("close", ")")
        return f"{_translate_symbols(opening or '')}{', '.join(parts)}{_translate_symbols(closing or '')}"
    return _arrange_parts(tag, parts)


def _arrange_parts(tag: str, parts: list[str]) -> str:
    """Put the parts of a fraction, root or script together; of anything else, in a row."""
    parts = [part.strip() for part in parts]
    first, second, third, *_ = [*parts, "", "", ""]
    if tag == "mfrac" and len(parts) == 2:
        return f"\\frac{{{first}}}{{{second}}}"
    if tag == "mroot" and len(parts) == 2:
        return f"\\sqrt[{second}]{{{first}}}"
    base = first if len(first) == 1 or first.startswith("\\") else f"{{{first}}}"
    if tag == "msup" and len(parts) == 2:
        return f"{base}^{{{second}}}"
    if tag == "msub" and len(parts) == 2:
        return f"{base}_{{{second}}}"
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return f"{base}_{{{second}}}^{{{third}}}"
    if tag == "munder" and len(parts) == 2:
        return f"{base}_{{{second}}}" if first.startswith(LARGE) else f"\\underset{{{second}}}{{{first}}}"
    if tag == "mover" and len(parts) == 2:
        accent = ACCENTS.get(second) or ("\\vec" if second == "\\to" else "")
        if accent:
            return f"{accent}{{{first}}}"
        return f"{base}^{{{second}}}" if first.startswith(LARGE) else f"\\overset{{{second}}}{{{first}}}"
    return _join_parts(parts)


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
