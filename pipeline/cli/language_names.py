"""English names and three-letter codes of common languages, to suggest the code that a config wants."""

NAMES = """
ar arabic ara; bg bulgarian bul; bn bengali ben; ca catalan cat; cs czech ces; da danish dan; de german deu
el greek ell
en english eng; es spanish spa; et estonian est; eu basque eus; fa persian fas; fi finnish fin; fr french fra
he hebrew heb; hi hindi hin; hr croatian hrv; hu hungarian hun; id indonesian ind; is icelandic isl; it italian ita
ja japanese jpn; ko korean kor; lt lithuanian lit; lv latvian lav; ms malay msa; nl dutch nld; no norwegian nor
pl polish pol; pt portuguese por; ro romanian ron; ru russian rus; sk slovak slk; sl slovenian slv; sr serbian srp
sv swedish swe; sw swahili swa; ta tamil tam; te telugu tel; th thai tha; tr turkish tur; uk ukrainian ukr; ur urdu urd
vi vietnamese vie; zh chinese zho
"""


def find_language_code(name: str) -> str | None:
    """Return the two-letter code of a language's English name or three-letter code; None for an unknown one."""
    for entry in NAMES.replace("\n", ";").split(";"):
        code, *others = entry.split() or [""]
        if name.lower() in others:
            return code
    return None
