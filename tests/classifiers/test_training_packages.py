"""What trains models says in one line, before it reads anything, that the extra `extraction` is missing."""

import importlib.util
import sys

import pytest

import bench.__main__
import classifiers.ensemble.__main__
import classifiers.main_content.__main__

FOLDERS = ["--crawl", "nowhere", "--benchmark", "nowhere"]
ENSEMBLE = ["--labels", "nowhere", "--texts", "nowhere", "--dumps", "nowhere"]


@pytest.fixture(autouse=True)
def without_catboost(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "catboost" else find(name))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (classifiers.ensemble.__main__.main, [*FOLDERS, *ENSEMBLE]),
        (classifiers.main_content.__main__.main, FOLDERS),
    ],
)
def test_training_without_catboost_is_one_line(command, arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    assert command() == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "catboost" in error and "pip install -e '.[extraction]'" in error


def test_no_benchmark_starts_where_one_of_them_lacks_catboost(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "help", "quality"])
    with pytest.raises(SystemExit) as stopped:
        bench.__main__.main()
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and shown.out == ""
    assert "quality: catboost" in shown.err and "pip install -e '.[extraction]'" in shown.err
