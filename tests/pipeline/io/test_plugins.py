"""Parts of a user's own are found by name, and what is wrong with a name is told in one line."""

import pytest

from pipeline.io.plugins import load_object


@pytest.fixture(autouse=True)
def own_modules(tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text("class Shorten:\n    class Inner:\n        pass\n")
    (tmp_path / "own_broken.py").write_text("raise RuntimeError('no licence\\nfound')\n")
    (tmp_path / "own_needy.py").write_text("import a_library_that_is_not_here\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_name_gives_the_object():
    import own_parts

    assert load_object("own_parts:Shorten", "stages") is own_parts.Shorten
    assert load_object("own_parts:Shorten.Inner", "stages") is own_parts.Shorten.Inner


@pytest.mark.parametrize(
    "use, needle",
    [
        ("own_parts", "write it as package.module:Name"),
        ("own_parts:", "write it as package.module:Name"),
        ("own parts:Shorten", "write it as package.module:Name"),
        ("own_partz:Shorten", "there is no module 'own_partz'"),
        ("no_such.package:Shorten", "there is no module 'no_such'"),
        ("own_parts:Shortn", "own_parts has no 'Shortn'; did you mean 'Shorten'?"),
        ("own_broken:Stage", "own_broken cannot be imported: RuntimeError: no licence found"),
        ("own_needy:Stage", "own_needy cannot be imported: No module named 'a_library_that_is_not_here'"),
    ],
)
def test_what_is_wrong_is_one_line_that_begins_with_the_key(use, needle):
    with pytest.raises(ValueError) as caught:
        load_object(use, "stages.0.use")
    assert str(caught.value).startswith("stages.0.use: ")
    assert needle in str(caught.value) and "\n" not in str(caught.value)
