"""Accuracy on evaluation sets, in the forms in which they are published."""

import io
import json
import tarfile

import pytest
import torch

from model.__main__ import main
from model.config_reader import load_trainer_config
from model.evaluation.multiple_choice import (
    Accuracy,
    Continuation,
    letter_prompt,
    measure_accuracy,
    score_continuations,
)
from model.evaluation.question_forms import Question, parse_question, read_questions
from model.evaluation.question_sets import SetItem
from model.train import train_gpt
from tests.model.test_gpt import TINY, randomised
from tests.shared import shared_data

HEAD = "The following are questions (with answers) about college law.\n\n"
ARC = "Question: What?\nAnswer:"
MMLU = Question("What?", ("a b", "c", "d", "e"), 2, "college law", HEAD + ARC)
LISTED = [{"text": text, "label": name} for text, name in zip(MMLU.choices, "1234", strict=True)]


@pytest.mark.parametrize(
    ("content", "cloze"),
    [
        (["What?", "a b", "c", "d", "e", "2"], HEAD + ARC),
        (["What?", "a b", "c", "d", "e", "C"], HEAD + ARC),
        ({"question": " What?", "choices": ["a b", "c", "d", "e"], "answer": 2}, HEAD + ARC),
        ({"query": " What?\n", "choices": [" a b", "c", "d", "e"], "gold": 2}, "What?\nAnswer:"),
        ({"ctx": "What?", "endings": ["a b", "c", "d", "e"], "label": "2"}, "What?"),
        (
            {"question_stem": "What?", "answerKey": "C", "choices": {"text": list(MMLU.choices), "label": [*"ABCD"]}},
            "What?",
        ),
        ({"question": "What?", "answerKey": "C", "choices": {"text": list(MMLU.choices), "label": [*"ABCD"]}}, ARC),
        ({"id": "Mercury_7", "question": {"stem": "What?", "choices": LISTED}, "answerKey": "3"}, ARC),
        ({"id": "7-980", "question": {"stem": "What?", "choices": LISTED}, "answerKey": "3"}, "What?"),
    ],
)
def test_every_published_form_is_the_same_question_with_the_prompt_of_its_set(content, cloze):
    assert parse_question(SetItem("college_law_test.csv", content)) == MMLU._replace(cloze=cloze)


def test_piqa_lambada_and_what_is_no_question():
    piqa = parse_question(SetItem("p", {"goal": "Open it", "sol1": "pull", "sol2": "push", "label": 1}))
    assert (piqa.cloze, piqa.choices, piqa.answer) == ("Question: Open it\nAnswer:", ("pull", "push"), 1)
    swag = {"activity_label": "Cook", "ctx_a": "He cuts. [title] It", "ctx_b": "he", "endings": ["[x] a", "b"]}
    hellaswag = parse_question(SetItem("h", {**swag, "label": "1", "ctx": "He cuts"}))
    assert (hellaswag.cloze, hellaswag.choices) == ("Cook: He cuts.. It He", (" a", "b"))
    lambada = parse_question(SetItem("l", {"text": "the cat sat on the mat"}))
    assert (lambada.text, lambada.choices) == ("the cat sat on the", ("mat",))
    for content in ({"question": "x"}, ["a"], {"question": "x", "choices": ["a", "b"], "answer": 5}, 7, "word"):
        assert parse_question(SetItem("x", content)) is None


def test_the_prompt_for_letters_is_mmlus():
    assert letter_prompt(MMLU) == (
        "The following are multiple choice questions (with answers) about college law.\n\n"
        "What?\nA. a b\nB. c\nC. d\nD. e\nAnswer:"
    )


def test_continuations_have_the_likelihoods_of_the_plain_model():
    """Also in batches of several lengths, with shared inputs, and with a beginning that is cut off."""
    model = randomised(load_tiny())
    parts = [
        Continuation([1, 2, 3], [4]),
        Continuation([1, 2, 3], [5]),
        Continuation([7], [8, 9, 10, 11]),
        Continuation(list(range(20)), [3, 4]),
        Continuation([1], list(range(2, 22))),
    ]
    scores = score_continuations(model, parts)
    for part, score in zip(parts, scores, strict=True):
        ids = (part.before + part.tokens)[-13:]
        logits = model(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
        targets = ids[max(1, len(ids) - len(part.tokens)) :]
        rows = logits[len(logits) - len(targets) :]
        expected = sum(rows[i, target].item() for i, target in enumerate(targets))
        assert score.log_likelihood == pytest.approx(expected, rel=1e-4)
        assert score.is_greedy == all(rows[i].argmax() == target for i, target in enumerate(targets))


def load_tiny():
    from model.config import ModelConfig

    return ModelConfig(**TINY)


def test_accuracy_has_its_standard_error_and_chance_is_zero_when_centered():
    accuracy = measure_accuracy([True, False, True, True], 0.25)
    assert accuracy.value == 0.75 and accuracy.standard_error == pytest.approx((0.75 * 0.25 / 3) ** 0.5)
    assert accuracy.centered == pytest.approx(2 / 3)
    assert Accuracy(0.25, 0, 0.25).centered == 0


def test_a_model_that_learned_the_answers_gives_them(config_file, tmp_path, out, capsys, fails):
    train_gpt(load_trainer_config(config_file, ["model.context=64", "steps=8"]))
    run = tmp_path / "run"
    items = [{"query": f"mill {n} grain", "choices": ["stone", "water wheel"], "gold": n % 2} for n in range(10)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "lambada.jsonl").write_text('{"text": "the mill on the river"}\n' * 3)
    with tarfile.open(tmp_path / "mmlu.tar.xz", "w:xz") as archive:
        content = b"question,choice0,choice1,choice2,choice3,answer\nWhat is flour?,grain,stone,water,a sack,0\n"
        member = tarfile.TarInfo("mmlu/test/mills_test.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    sets = [str(tmp_path / name) for name in ("mine.jsonl", "lambada.jsonl", "mmlu.tar.xz")]
    capsys.readouterr()
    assert main(["evaluate", str(run), "--sets", *sets, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["sets"]
    assert [results[name]["items"] for name in ("mine.jsonl", "lambada.jsonl", "mmlu.tar.xz")] == [10, 3, 1]
    assert 0 <= results["mine.jsonl"]["cloze"]["value"] <= 1 and results["mine.jsonl"]["cloze"]["chance"] == 0.5
    assert results["lambada.jsonl"]["letter"] is None
    assert main(["evaluate", str(run), "--sets", *sets, "--limit", "4"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "letter - cloze" in printed[0] and printed[2].startswith("| mine.jsonl | 4 |")
    assert printed[-1].startswith("mean of the centered cloze accuracies (as in CORE): ")
    (tmp_path / "bad.jsonl").write_text('{"query": "x"}\n')
    assert "item 1 is no question" in fails("evaluate", run, "--sets", tmp_path / "bad.jsonl")
    assert "give --text FILE, --sets FILE" in fails("evaluate", run)


def test_the_published_sets_are_read_as_they_are():
    sizes = {"arc_easy.jsonl.gz": 2376, "openbook_qa.jsonl.gz": 500, "piqa.jsonl.gz": 1838, "mmlu-test.tar.xz": 14042}
    for name, size in sizes.items():
        questions = read_questions(shared_data(f"eval/{name}"))
        assert len(questions) == size
        assert {len(question.choices) for question in questions} <= ({2} if "piqa" in name else {3, 4, 5})
    assert len({question.subject for question in questions}) == 57
