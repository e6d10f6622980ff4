"""The contamination test finds a set that was trained on in its order, and no other."""

import json
import random

import numpy as np
import pytest

from model.__main__ import main
from model.evaluation.contamination_test import (
    ITEM_SEPARATOR,
    ContaminationOptions,
    run_contamination_test,
    sequence_nll,
)
from model.evaluation.text_loss import sum_nll
from model.gpt import IGNORE
from model.run_folder import load_trained_run

LETTERS = "abcdefghij"


def items(seed: int) -> list[str]:
    """Return 100 items of three letters."""
    draw = random.Random(seed)
    return ["".join(draw.choices(LETTERS, k=3)) for _ in range(100)]


def shuffled(some: list[str], seed: int) -> list[str]:
    """Return items in another order."""
    return random.Random(seed).sample(some, len(some))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a text that has one set in its order twelve times, and another each time in another order."""
    folder = tmp_path_factory.mktemp("order")
    seen, mixed = items(1), items(2)
    parts = [ITEM_SEPARATOR.join([*seen, *shuffled(mixed, n)]) for n in range(12)]
    (folder / "text.txt").write_text(ITEM_SEPARATOR.join(parts))
    (folder / "run.yaml").write_text(
        f"data: {folder / 'text.txt'}\noutput: {folder / 'run'}\nsteps: 120\nbatch_size: 16\nevaluate_every: 120\n"
        "validation: 0.02\nmodel: {depth: 2, width: 64, heads: 2, context: 32}\n"
    )
    assert main(["train", str(folder / "run.yaml")]) == 0
    for name, some in (("seen", seen), ("mixed", mixed), ("other", items(3)), ("seen-shuffled", shuffled(seen, 9))):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"question": text}) + "\n" for text in some))
    return folder


def test_only_the_order_that_was_trained_on_is_found(trained, capsys):
    names = ("seen", "mixed", "other", "seen-shuffled")
    sets = [str(trained / f"{name}.jsonl") for name in names]
    sizes = ["--shards", "10", "--permutations", "10", "--json"]
    command = ["contamination", str(trained / "run"), "--sets", *sets, *sizes]
    assert main(command) == 0
    first = capsys.readouterr().out
    found = {name: json.loads(first)[f"{name}.jsonl"]["p_value"] for name in names}
    assert found["seen"] < 1e-4
    assert min(found["mixed"], found["other"], found["seen-shuffled"]) > 0.01, found
    assert main(command) == 0 and capsys.readouterr().out == first


def test_windows_count_every_token_once(trained):
    run = load_trained_run(trained / "run", "cpu")
    draw = np.random.default_rng(0)
    for length in (2, 20, 33, 34, 49, 50, 100):
        ids = draw.integers(0, run.tokenizer.get_vocab_size(), length).tolist()
        counted = []
        forward_of = run.model.__class__.forward

        def forward(self, x, y, reduction="mean", forward_of=forward_of, counted=counted):
            counted.append(int((y != IGNORE).sum()))
            return forward_of(self, x, y, reduction=reduction)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run.model.__class__, "forward", forward)
            nats = sequence_nll(run.model, ids, 4)
        assert sum(counted) == length - 1
        if length <= 33:  # one row: the same as evaluation has it
            assert nats == pytest.approx(sum_nll(run.model, np.array(ids), 4), rel=1e-5)


def test_too_few_items_and_bad_files_are_one_line(trained, tmp_path, capsys):
    (tmp_path / "few.jsonl").write_text('{"question": "abc"}\n' * 10)
    (tmp_path / "noise.jsonl.gz").write_bytes(b"\x1f\x8b" + random.Random(0).randbytes(90))
    (tmp_path / "other.jsonl").write_text('{"question": "\u00e4bc"}\n' * 30)
    for name, needle in (
        ("few.jsonl", "10 items"),
        ("noise.jsonl.gz", "noise"),
        ("absent.jsonl", "absent"),
        ("other.jsonl", "no token"),
    ):
        assert main(["contamination", str(trained / "run"), "--sets", str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert needle in error and error.count("\n") == 1, error
    with pytest.raises(ValueError, match="the set: 3 items"):
        run_contamination_test(load_trained_run(trained / "run", "cpu"), ["abc"] * 3, ContaminationOptions())
