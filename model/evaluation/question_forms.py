"""Questions from the items of evaluation sets, in the forms in which the sets are published.

Each form has the prompt that lm-eval's task of this set has (`arc_easy`, `piqa`, `openbookqa`, `hellaswag`,
`mmlu_continuation`, `lambada_openai`), so that both score the same texts.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from model.config import JsonObject, TrainerError
from model.evaluation.question_sets import Json, SetItem, read_set

LETTERS = "ABCDEFGHIJ"
BRACKETS = re.compile(r"\[.*?\]")  # WikiHow's marks in HellaSwag


class Question(NamedTuple):
    """A question with its choices. With no choices, `text` ends before its last word, which is `choices[0]`."""

    text: str
    choices: tuple[str, ...]
    answer: int
    subject: str
    cloze: str  # what stands before a choice if the choices are compared as texts


def read_questions(path: Path) -> list[Question]:
    """Return the questions of an evaluation set. Raises TrainerError for an item that is no known kind of question."""
    questions = []
    for number, item in enumerate(read_set(path), 1):
        question = parse_question(item)
        if question is None:
            raise TrainerError(
                f"--sets: {path}: item {number} is no question with choices and an answer, and no text: "
                f"{str(item.content)[:60]!r}"
            )
        questions.append(question)
    if not questions:
        raise TrainerError(f"--sets: {path}: no items")
    return questions


def parse_question(item: SetItem) -> Question | None:
    """Return the question of an item in the form of MMLU, ARC, PIQA, OpenBookQA, HellaSwag or LAMBADA, or None."""
    subject = re.sub(r"_(test|dev|val)$", "", Path(item.file).name.split(".")[0]).replace("_", " ")
    content = item.content
    if isinstance(content, list):  # a row of MMLU's CSV: the question, its choices, the answer
        if len(content) < 4:
            return None
        return use_mmlu_prompt(make_question(content[0], content[1:-1], content[-1], list(LETTERS), subject))
    if isinstance(content, str):
        return split_last_word(content, subject)
    if isinstance(content, dict):
        return parse_json_question(content, subject)
    return None


def parse_json_question(content: JsonObject, subject: str) -> Question | None:
    """Return the question of a JSON object, or None."""
    text: Json = first_value(content, ("query", "question_stem", "question", "goal", "ctx", "context"))
    choices: Json = first_value(content, ("choices", "endings"))
    answer = first_value(content, ("gold", "answer", "answerKey", "label"))
    subject = str(content.get("subject", subject)).replace("_", " ")
    labels = list(LETTERS)
    if "sol1" in content:
        choices = [content["sol1"], content.get("sol2")]
    if isinstance(text, dict):  # ARC and OpenBookQA as their authors publish them: the stem holds the choices
        text, choices = text.get("stem"), text.get("choices")
    if isinstance(choices, dict):  # as in Hugging Face's data sets: lists of texts and of labels
        labels, choices = [str(label) for label in choices.get("label", labels)], choices.get("text")
    if isinstance(choices, list) and choices and all(isinstance(choice, dict) for choice in choices):
        labels = [str(choice.get("label")) for choice in choices]
        choices = [choice.get("text") for choice in choices]
    if choices is None and isinstance(content.get("text"), str):
        return split_last_word(content["text"], subject)
    question = make_question(text, choices, answer, labels, subject)
    return question and choose_prompt(question, content)


def first_value(content: JsonObject, keys: Iterable[str]) -> object:
    """Return the value of the first of the keys that an object has, or None."""
    return next((content[key] for key in keys if key in content), None)


def make_question(text: object, choices: object, answer: object, labels: list[str], subject: str) -> Question | None:
    """Return the question, or None for parts of another type. The answer is an index or a label."""
    if not (isinstance(text, str) and isinstance(choices, list) and len(choices) > 1):
        return None
    if not all(isinstance(choice, str) and choice for choice in choices):
        return None
    name = str(answer).strip()
    index = labels.index(name) if name in labels else int(name) if name.isdigit() else -1
    if not 0 <= index < len(choices):
        return None
    return Question(text.strip(), tuple(choices), index, subject, text)


def split_last_word(text: str, subject: str) -> Question | None:
    """Return a text as a question for its last word (LAMBADA, Paperno et al. 2016), or None for a single word."""
    before, _, word = text.strip().rpartition(" ")
    return Question(before, (word,), 0, subject, before) if before and word else None


def choose_prompt(question: Question, content: JsonObject) -> Question:
    """Return a JSON object's question with the cloze prompt of the set that its keys are those of."""
    if "query" in content:  # no certain set: a question gets "Answer:" after it, an open sentence nothing
        is_asked = question.text.startswith("Question:") or question.text.endswith("?")
        choices = tuple(choice.strip() for choice in question.choices)
        return question._replace(cloze=question.text + is_asked * "\nAnswer:", choices=choices)
    if {"activity_label", "ctx_a", "ctx_b"} <= content.keys():
        context = f"{content['activity_label']}: {content['ctx_a']} {str(content['ctx_b']).capitalize()}"
        endings = tuple(clean_wikihow(choice) for choice in question.choices)
        return question._replace(cloze=clean_wikihow(context), choices=endings)
    is_openbook = "question_stem" in content or re.fullmatch(r"\d+-\d+", str(content.get("id", "")))
    if is_openbook or not {"question", "goal"} & content.keys():
        return question
    if isinstance(content.get("choices"), list):
        return use_mmlu_prompt(question) or question
    return question._replace(cloze=f"Question: {question.cloze}\nAnswer:")


def use_mmlu_prompt(question: Question | None) -> Question | None:
    """Return a question with MMLU's cloze prompt: the subject, then the question."""
    if question is None:
        return None
    head = f"The following are questions (with answers) about {question.subject}.\n\n"
    return question._replace(cloze=f"{head}Question: {question.text}\nAnswer:")


def clean_wikihow(text: str) -> str:
    """Return a text of HellaSwag without the marks that WikiHow's pages left in it."""
    return BRACKETS.sub("", text.strip().replace(" [title]", ". ")).replace("  ", " ")
