"""Templates are compiled once, and again wherever what was kept cannot be read."""

import sys

import jinja2
import pytest

from pipeline.report import render

NAME = "explain_page.html"


@pytest.fixture
def compiled(monkeypatch):
    """The names of the templates that are compiled, in order."""
    names, compile_template = [], jinja2.Environment.compile

    def note(self, source, name=None, *arguments, **options):
        names.append(name)
        return compile_template(self, source, name, *arguments, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", note)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return names


def load(html: bool) -> jinja2.Template:
    """Return the template as a new process does."""
    return render.make_environment.__wrapped__(html).get_template(NAME)


def test_a_template_is_compiled_once_for_all_processes(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    for _ in range(3):
        load(True)
    assert compiled == [NAME]
    load(False)  # with other options
    assert compiled == [NAME] * 2


def test_what_was_kept_and_cannot_be_read_is_compiled_again(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    load(True)
    [kept] = [path for path in tmp_path.rglob("*") if path.is_file()]
    for length in (0, 10, 20, 40, 100):
        kept.write_bytes(kept.read_bytes()[:length])
        load(True)
    assert compiled == [NAME] * 6


def test_a_template_is_used_where_nothing_can_be_kept(compiled, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "file"))
    load(True)
    load(True)
    assert compiled == [NAME] * 2
