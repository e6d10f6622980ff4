"""The mixture as the card, the report and `inspect` show it."""

from pipeline.report.facts import MixtureRow, build_mixture


def test_shares_are_of_bytes_as_they_are_asked_for_and_tokens_stand_beside_them():
    sums = {
        "en": {"pages": 30, "bytes": 600, "wanted_bytes": 400, "train_bytes": 400},
        "zh": {"pages": 10, "bytes": 200, "wanted_bytes": 400, "train_bytes": 400},
    }
    result = {"mixture": {"language": sums}, "by_language": {}}
    tokenizer = {"bytes_per_token": {"en": 4.0, "zh": 2.0, "all": 3.0}}
    assert build_mixture(result, tokenizer)["language"] == [
        MixtureRow("en", 30, before=0.75, target=0.5, after=0.5, token_share=1 / 3, tokens=100),
        MixtureRow("zh", 10, before=0.25, target=0.5, after=0.5, token_share=2 / 3, tokens=200),
    ]
