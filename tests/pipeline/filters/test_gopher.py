"""Gopher's and DCLM's limits: for each a page just inside and one just outside, worked out by hand."""

import pytest

from pipeline.filters.chain import RulesConfig, apply_filters, load_filters
from pipeline.filters.dclm import DclmFilter
from pipeline.filters.gopher_quality import GopherQualityFilter
from pipeline.filters.gopher_repetition import GopherRepetitionFilter

CYCLE = ("that", "house", "with", "garden", "stone")


def prose(n: int) -> list[str]:
    """Return n words of which two are Gopher's stop words."""
    return [CYCLE[i % 5] for i in range(n)]


def reason(config: RulesConfig, text: str) -> str | None:
    failure = apply_filters(load_filters(config), text, "en")[2]
    return failure.reason if failure else None


def lines(n: int, marked: int, before: str = "", after: str = "") -> str:
    """Return n lines of twelve words, the first `marked` of them with something before and after."""
    row = " ".join(prose(12))
    return "\n".join(before + row + after if i < marked else row for i in range(n))


LONG = ["background"] * 46  # ten letters each
QUALITY = [
    ("too-few-words", " ".join(prose(50)), " ".join(prose(49))),
    ("too-many-words", " ".join(prose(100_000)), " ".join(prose(100_001))),
    # 3.0: fifty words of three letters, two of them stop words by one letter more and one less
    ("short-words", " ".join(["and", "the"] * 25), " ".join(["and", "the"] * 24 + ["and", "be"])),
    # 10.0: 46 words of ten letters, that and with, and two of sixteen; one letter more is too much
    (
        "long-words",
        " ".join([*LONG, "that", "with", "x" * 16, "x" * 16]),
        " ".join([*LONG, "that", "with", "x" * 16, "x" * 17]),
    ),
    ("hashes", " ".join(prose(90) + ["#"] * 10), " ".join(prose(90) + ["#"] * 11)),
    ("ellipses", " ".join(["…"] * 10 + prose(90)), " ".join(["…"] * 11 + prose(90))),
    ("bullet-lines", lines(10, 9, before="- "), lines(10, 10, before="• ")),
    ("ellipsis-lines", lines(10, 3, after="..."), lines(10, 4, after="…")),
    ("too-few-letters", " ".join(prose(80) + ["7"] * 20), " ".join(prose(80) + ["7"] * 21)),
    ("too-few-stop-words", "the that " + "garden " * 60, "that That THE " + "garden " * 60),  # case counts
]


@pytest.mark.parametrize(("name", "inside", "outside"), QUALITY, ids=[case[0] for case in QUALITY])
@pytest.mark.parametrize("variant", ["gopher", "datatrove"])
def test_quality(variant: str, name: str, inside: str, outside: str) -> None:
    config = RulesConfig(gopher_quality=GopherQualityFilter(variant=variant))
    assert reason(config, inside) is None
    assert reason(config, outside) == f"gopher_quality/{name}"


def test_the_variants_of_quality_differ_in_whether_punctuation_is_a_word_without_letters() -> None:
    text = " ".join(prose(80)).replace(" garden", ", garden,")  # 80 words, 32 commas: 80 / 112 hold a letter
    assert reason(RulesConfig(gopher_quality=GopherQualityFilter(variant="gopher")), text) is None
    assert (
        reason(RulesConfig(gopher_quality=GopherQualityFilter(variant="datatrove")), text)
        == "gopher_quality/too-few-letters"
    )


DCLM = [
    ("too-few-words", " ".join(prose(50)), " ".join(prose(49)) + " -- !"),
    ("short-words", " ".join(["and", "the"] * 25), " ".join(["and", "the"] * 24 + ["and", "be"])),
    (
        "long-words",
        " ".join([*LONG, "that", "with", "x" * 16, "x" * 16]),
        " ".join([*LONG, "that", "with", "x" * 33, "a"]),
    ),
    # hashes and ellipses count together; of 100 parts between white space
    ("symbols", " ".join(["#"] * 5 + ["…"] * 5 + prose(90)), " ".join(["#"] * 6 + ["…"] * 5 + prose(89))),
    ("bullet-lines", lines(10, 9, before="* "), lines(10, 10, before="● ")),
    ("ellipsis-lines", lines(10, 3, after=". . ."), lines(10, 4, after=". . .")),
    ("too-few-letters", " ".join(prose(80) + ["777"] * 20), " ".join(prose(80) + ["777"] * 21)),
    ("too-few-stop-words", "The the " + "garden " * 60, "The " + "garden " * 60),  # any case, the same twice is two
]


@pytest.mark.parametrize(("name", "inside", "outside"), DCLM, ids=[case[0] for case in DCLM])
def test_dclm(name: str, inside: str, outside: str) -> None:
    config = RulesConfig(dclm=DclmFilter())
    assert reason(config, inside) is None
    assert reason(config, outside) == f"dclm/{name}"


def test_dclm_takes_urls_and_blank_lines_out() -> None:
    text = (
        "See https://example.org/a?b=1 or www.example.com/x now.\n\n\n\n" + " ".join(prose(60)) + " at 10.0.0.1/x end"
    )
    cleaned, measures, failure = apply_filters(load_filters(RulesConfig(dclm=DclmFilter())), text, "en")
    assert cleaned == "See or now.\n\n" + " ".join(prose(60)) + " at end"
    assert measures["dclm_urls"] == 3 and failure is None


def only(variant: str, field: str) -> RulesConfig:
    """Return the repetition rules with one limit on."""
    off = {name: None for name in GopherRepetitionFilter.__dataclass_fields__ if name not in ("variant", field)}
    return RulesConfig(gopher_repetition=GopherRepetitionFilter(variant=variant, **off))


def rows(same: int, other: int, between: str = "\n") -> str:
    """Return lines of nine characters: `same` alike, `other` all different."""
    return between.join(["same line"] * same + [f"line {i:04d}" for i in range(other)])


def phrase(n: int, total: int) -> str:
    """Return `total` words of four characters, n of them said twice, the rest once."""
    numbers = iter(range(1000, 10_000))
    said = [str(next(numbers)) for _ in range(n)]
    middle, rest = [str(next(numbers))], [str(next(numbers)) for _ in range(total - 2 * n - 1)]
    return " ".join([*said, *middle, *said, *rest])


# variant, field, inside, outside. The gopher variant counts every occurrence; an n-gram is 4n of 4N characters,
# counted twice. datatrove counts from the second occurrence; a text of N words has 5N - 1 characters.
REPETITION = [
    ("gopher", "max_duplicate_lines", rows(3, 7), rows(4, 6)),
    ("gopher", "max_duplicate_paragraphs", rows(3, 7, "\n\n"), rows(4, 6, "\n\n")),
    ("gopher", "max_duplicate_line_characters", rows(2, 8), rows(3, 7)),
    ("gopher", "max_duplicate_paragraph_characters", rows(2, 8, "\n\n"), rows(3, 7, "\n\n")),
    ("gopher", "max_top_2gram", phrase(2, 20), phrase(2, 19)),  # 16 of 80, .20
    ("gopher", "max_top_3gram", phrase(3, 34), phrase(3, 33)),  # 24 of 136, .176; of 132, .182
    ("gopher", "max_top_4gram", phrase(4, 50), phrase(4, 49)),  # 32 of 200, .16
    ("gopher", "max_duplicate_5gram", phrase(5, 67), phrase(5, 66)),  # 10 / 67 = .149, 10 / 66 = .152
    ("gopher", "max_duplicate_6gram", phrase(6, 86), phrase(6, 85)),  # .1395, .1412
    ("gopher", "max_duplicate_7gram", phrase(7, 108), phrase(7, 107)),  # .1296, .1308
    ("gopher", "max_duplicate_8gram", phrase(8, 134), phrase(8, 133)),  # .1194, .1203
    ("gopher", "max_duplicate_9gram", phrase(9, 164), phrase(9, 163)),  # .1098, .1104
    ("gopher", "max_duplicate_10gram", phrase(10, 200), phrase(10, 199)),  # .10, .1005
    ("datatrove", "max_duplicate_lines", rows(4, 6), rows(5, 5)),
    ("datatrove", "max_duplicate_paragraphs", rows(4, 6, "\n\n"), rows(5, 5, "\n\n")),
    ("datatrove", "max_duplicate_line_characters", rows(3, 7), rows(4, 6)),  # 18 of 99, 27 of 99
    ("datatrove", "max_duplicate_paragraph_characters", rows(3, 7, "\n\n"), rows(4, 6, "\n\n")),  # 18, 27 of 108
    ("datatrove", "max_top_2gram", phrase(2, 19), phrase(2, 18)),  # 18 of 94, of 89
    ("datatrove", "max_top_3gram", phrase(3, 32), phrase(3, 31)),  # 28 of 159, of 154
    ("datatrove", "max_top_4gram", phrase(4, 48), phrase(4, 47)),  # 38 of 239, of 234
    ("datatrove", "max_duplicate_5gram", phrase(5, 27), phrase(5, 26)),  # 20 of 134, of 129
    ("datatrove", "max_duplicate_6gram", phrase(6, 35), phrase(6, 34)),  # 24 of 174, of 169
    ("datatrove", "max_duplicate_7gram", phrase(7, 44), phrase(7, 43)),  # 28 of 219, of 214
    ("datatrove", "max_duplicate_8gram", phrase(8, 54), phrase(8, 53)),  # 32 of 269, of 264
    ("datatrove", "max_duplicate_9gram", phrase(9, 66), phrase(9, 65)),  # 36 of 329, of 324
    ("datatrove", "max_duplicate_10gram", phrase(10, 81), phrase(10, 80)),  # 40 of 404, of 399
]


@pytest.mark.parametrize(
    ("variant", "field", "inside", "outside"), REPETITION, ids=[f"{c[0]}-{c[1]}" for c in REPETITION]
)
def test_repetition(variant: str, field: str, inside: str, outside: str) -> None:
    config = only(variant, field)
    assert reason(config, inside) is None
    assert reason(config, outside) == "gopher_repetition/" + field.removeprefix("max_").replace("_", "-")


def test_an_empty_text_is_rejected_and_a_short_one_only_by_datatrove() -> None:
    for variant in ("gopher", "datatrove"):
        assert (
            reason(RulesConfig(gopher_repetition=GopherRepetitionFilter(variant=variant)), "")
            == "gopher_repetition/empty"
        )
    short = "Four words stand here"
    assert reason(RulesConfig(gopher_repetition=GopherRepetitionFilter(variant="gopher")), short) is None
    assert (
        reason(RulesConfig(gopher_repetition=GopherRepetitionFilter(variant="datatrove")), short)
        == "gopher_repetition/top-2gram"
    )
