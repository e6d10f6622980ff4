"""What would do nothing, or end in every worker, is refused before anything is begun."""

import pytest

from pipeline.cli.run import run
from pipeline.settings import ConfigError
from tests.pipeline.conftest import config


@pytest.mark.parametrize(
    ("asked", "needles"),
    [
        ({"languages": ["en", "xx"]}, ["languages: 'xx'", "176 languages"]),
        ({"languages": ["english"]}, ["languages: 'english'", "mean 'en'?"]),
        ({"weights": {"languages": {"eng": 2}}}, ["weights.languages: 'eng'", "mean 'en'?"]),
        ({"language": {"by_language": {"deu": 0.5}}}, ["language.by_language: 'deu'", "mean 'de'?"]),
        ({"languages": ["en"], "weights": {"languages": {"fr": 2}}}, ["weights.languages: 'fr'", "`languages`"]),
        ({"weights": {"topics": {"model": "absent"}}}, ["weights.topics.model: absent"]),
        (
            {"extract": {"engine": "resiliparse", "threshold": 0.7}},
            ["extract.threshold: resiliparse", "extract.objective"],
        ),
        ({"weights": {"topics": {"min_score": 0.7}}}, ["weights.topics.min_score", "weights.topics.model"]),
        ({"quality": {"score": False, "model": "."}}, ["quality.model", "quality.score"]),
        ({"quality": {"score": False, "min_score": 0.5}}, ["quality.min_score", "quality.score"]),
        ({"quality": {"score": False, "min_worth": 0.5}}, ["quality.min_worth", "quality.score", "this to null"]),
        ({"quality": {"score": False}, "weights": {"quality": [1, 2]}}, ["weights.quality", "quality.score"]),
        ({"quality": {"score": False}, "dedup": {"keep_policy": "best"}}, ["dedup.keep_policy", "quality.score"]),
        ({"language": {"model": "absent.ftz"}}, ["language.model: absent.ftz: no such file"]),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused_before_the_run(crawl, tmp_path, asked, needles):
    with pytest.raises(ConfigError) as caught:
        run(config(crawl, tmp_path / "out", **asked))
    assert all(needle in str(caught.value) for needle in needles), caught.value
    assert not (tmp_path / "out").exists()
