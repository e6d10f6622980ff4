"""Items of evaluation sets in pages: found wherever they stand, listed, dropped or masked, and every page counted."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import tarfile

import pytest

from pipeline.cli.resume import compute_stage_key
from pipeline.config import build_config
from pipeline.io.evaluation_sets import EvaluationSetError, build_passages, read_evaluation_sets
from pipeline.publish.job import publish_corpus
from pipeline.runners.beam_options import beam_options
from pipeline.text.item_index import MASK, ItemIndex
from tests.pipeline.documents import dealt, document, read, write
from tests.shared import shared_data

QUESTION = "Which piece of the old water mill is turned by the stream before anything else inside can begin to move?"
CHOICES = ["a runner stone", "a great wheel", "a damsel", "a hopper"]
LAW = (
    "A mill, a weir and a pond stand on one parcel of land, which the owner sells by deed; "
    "does the right to the water pass?"
)
SHORT = "Why does the miller dress his stones every week?"  # nine words
PROSE = "The valley was quiet that morning, and {} nobody had come down to the {} since the rains began in {}. "


def prose(n: int) -> str:
    """Return text of some lines that no item has."""
    draw = random.Random(n)
    return "".join(PROSE.format(*(draw.choice(["early", "river", "bridge", "March"]) for _ in range(3))) for _ in "123")


def edit_law() -> str:
    """Return the question of law with two words changed, which leaves no 13 words of it."""
    return LAW.replace("pond", "lake").replace("sells", "gives")


def item_files(folder):
    """Write two sets: a gzipped JSONL and a headerless CSV as MMLU's are. Returns the config's `sets`."""
    with gzip.open(folder / "mill.jsonl.gz", "wt") as out:
        out.write(json.dumps({"id": "a-1", "choices": CHOICES, "query": f"Question: {QUESTION}", "gold": 1}) + "\n\n")
        out.write(json.dumps({"question": {"stem": SHORT, "choices": [{"text": "To cut", "label": "A"}]}}) + "\n")
    (folder / "law.csv").write_text(f'"{LAW}",Yes,No,Never,Only by custom,A\nWho is the miller?,Ann,Ben,Cid,Dan,A\n')
    return [str(folder / "mill.jsonl.gz"), str(folder / "law.csv")]


def pages():
    """Return pages: 0 whole, 1 other case and marks, 2 short, 3 all item, 4 cut short, 5 edited, else clean."""
    planted = {
        0: f"{prose(0)}{QUESTION} {prose(10)}",
        1: f"{prose(1)}{QUESTION.upper().replace(' ', '  «»— ').replace('?', '')}\n{prose(11)}",
        2: f"{prose(2)}{SHORT} {prose(12)}",
        3: f"{QUESTION} {' '.join(CHOICES)}",
        4: prose(4) + " ".join(QUESTION.split()[:12]) + ". " + prose(14),
        5: f"{prose(5)}{edit_law()} {prose(15)}",
    }
    return [document(n, planted.get(n) or prose(n)) for n in range(40)]


def run(root, shards, sets, **over):
    output, names = write(root / "out", shards)
    wanted = {"sets": sets, **over}
    base = {"inputs": ["x"], "output": str(root / "out"), "publish": {"validation": 0.1}}
    config = build_config({**base, "decontaminate": wanted})
    result = publish_corpus(output, config, names, beam_options([]))
    held = sum(sum(counts["held_out"].values()) for counts in result["files"].values())
    published = sum(sum(counts["published"].values()) for counts in result["files"].values())
    assert held + published == sum(map(len, shards))
    return output, result


def digests(output):
    folders = ["corpus/train", "corpus/validation", "contaminated"]
    rows = [row for folder in folders for row in read(output, folder)]
    return hashlib.sha256(repr(sorted(map(str, ({**r, "row": 0} for r in rows)))).encode()).hexdigest()


def test_pages_with_items_are_dropped_and_each_hit_is_listed_with_its_span(tmp_path):
    rows = pages()
    output, result = run(tmp_path, dealt(rows, 3, seed=1), item_files(tmp_path))
    texts = {row["id"]: row["text"] for row in rows}
    hits = {row["id"]: row for row in read(output, "contaminated")}
    assert sorted(int(page[10:-1]) for page in hits) == [0, 1, 2, 3, 5]
    for page, hit in hits.items():
        assert texts[page][hit["start"] : hit["end"]] == hit["text"] and hit["action"] == "drop"
        item = {"<urn:uuid:00000002>": ("mill.jsonl.gz", "3"), "<urn:uuid:00000005>": ("law.csv", "1")}
        assert (hit["set"], hit["item"]) == item.get(page, ("mill.jsonl.gz", "1"))
        assert (hit["overlap"] == 1) == (page != "<urn:uuid:00000005>") and hit["overlap"] > 0.8
    assert hits["<urn:uuid:00000000>"]["text"] == QUESTION.rstrip("?")
    assert hits["<urn:uuid:00000002>"]["text"] == SHORT.rstrip("?")
    assert hits["<urn:uuid:00000003>"]["text"] == texts["<urn:uuid:00000003>"]
    assert hits["<urn:uuid:00000005>"]["text"] == edit_law().rstrip("?")
    published = {row["id"] for row in read(output, "corpus/train") + read(output, "corpus/validation")}
    assert published == set(texts) - set(hits)
    assert sum(counts["held_out"].get("contaminated", 0) for counts in result["files"].values()) == 5
    found = {
        "mill.jsonl.gz": {"items": 2, "found": 2, "edited": 0, "pages": 4, "spans": 4, "unsearched": []},
        "law.csv": {"items": 2, "found": 1, "edited": 1, "pages": 1, "spans": 1, "unsearched": ["2"]},
    }
    assert result["contaminated"] == {"dropped": 5, "masked": 0, "sets": found}


def test_masked_pages_lose_the_spans_alone_and_sharding_changes_nothing(tmp_path):
    rows = pages()
    sets = item_files(tmp_path)
    output, result = run(tmp_path / "a", dealt(rows, 3, seed=1), sets, action="mask")
    assert result["contaminated"]["masked"] == 4 and result["contaminated"]["dropped"] == 1  # one was all item
    left = {row["id"]: row["text"] for row in read(output, "corpus/train") + read(output, "corpus/validation")}
    assert left["<urn:uuid:00000000>"] == f"{prose(0)}{MASK}? {prose(10)}"
    assert left["<urn:uuid:00000002>"] == f"{prose(2)}{MASK}? {prose(12)}"
    assert left["<urn:uuid:00000005>"] == f"{prose(5)}{MASK}? {prose(15)}"
    assert all(left[row["id"]] == row["text"] for row in [rows[4], *rows[6:]])
    after = sum(sums["train_bytes"] for sums in result["mixture"]["language"].values())
    assert after == sum(len(row["text"].encode()) for row in read(output, "corpus/train"))
    again, _ = run(tmp_path / "b", dealt(rows, 5, seed=2), sets, action="mask")
    assert digests(again) == digests(output)


def test_marks_beside_their_letters_leave_the_span_in_place():
    index = ItemIndex.build(
        [["Où est né l'écrivain que le café de la gare a rendu célèbre après la guerre ?"]], 8, 5, 0.75
    )
    text = "Lu hier à Liège: ou\u0300 est ne\u0301 l'e\u0301crivain que le cafe\u0301 de la gare, jamais."
    ((span,),) = index.spans([text])
    assert text[span.start : span.end] == "ou\u0300 est ne\u0301 l'e\u0301crivain que le cafe\u0301 de la gare"
    assert index.spans(["", "le café"]) == [[], []]


def test_a_long_text_and_many_texts_find_the_same(tmp_path):
    index = ItemIndex.build([[QUESTION], [SHORT]], 13, 8, 0.75)
    text = "\n".join(f"{prose(n)}{QUESTION if n % 7 == 0 else ''}{SHORT if n % 11 == 0 else ''}" for n in range(600))
    ((*spans,),) = index.spans([text])
    assert len(spans) == 86 + 55  # side by side they are two
    assert index.spans(["", text, "x"])[1] == spans


TOOLS = "beam loom forge kiln anvil lathe wheel press chisel mallet".split()
TRADES = [f"In which season of the year did a village smith repair the {one} of his neighbour's barn?" for one in TOOLS]


@pytest.mark.parametrize("place", range(17))
def test_a_question_is_found_with_any_word_changed_left_out_or_added(place):
    index = ItemIndex.build([[question, "spring"] for question in TRADES], 13, 8, 0.75)
    words = TRADES[3].split()
    assert len(words) == 17
    for edited in (
        [*words[:place], "quartz", *words[place + 1 :]],
        [*words[:place], *words[place + 1 :]],
        [*words[:place], "quartz", *words[place:]],
        [word if n % 10 != place % 10 else "quartz" for n, word in enumerate(words)],
    ):
        text = f"{prose(0)}{' '.join(edited)} {prose(1)}"
        ((span, *others),) = index.spans([text])
        assert not others and 0.75 <= span.overlap <= 1 and (span.item == 3 or "kiln" not in text)
        middle = " ".join(edited[3:-3])
        assert middle in text[span.start : span.end] and span.end - span.start < len(" ".join(edited)) + 15


def test_everyday_words_of_a_question_are_not_the_question():
    questions = [f"Which of the following is the main cause of the {one} of a smith?" for one in TOOLS]
    index = ItemIndex.build([[question] for question in questions], 13, 8, 0.75)
    assert index.spans(["Which of the following is the main cause of the fall of a king?"]) == [[]]
    assert index.spans(["Which of the following is a main cause of the anvil of a smith?"])[0][0].item == 4
    exact = ItemIndex.build([[question] for question in questions], 13, 8, 1.0)
    assert exact.spans(["Which of the following is a main cause of the anvil of a smith?"]) == [[]]


def test_a_question_of_a_few_words_is_found_word_for_word_alone():
    index = ItemIndex.build([["Who built the old stone mill?", "A mason"]], 13, 5, 0.75)
    assert index.spans([f"{prose(0)}Who built the old stone mill? {prose(1)}"])[0][0].overlap == 1
    assert index.spans([f"{prose(0)}Who built the old stone bridge? {prose(1)}"]) == [[]]
    assert ItemIndex.build([["Who built the old stone mill?", "A mason"]], 13, 8, 0.75).unsearched.tolist() == [0]


def test_a_short_question_that_many_items_ask_tells_nothing():
    question = "Which one of the following statements is not true?"
    for items, hits in ((3, 1), (4, 0)):
        index = ItemIndex.build([[question, f"{question} {word}"] for word in "abcd"[:items]], 13, 8, 0.75)
        assert len(index.spans([f"{prose(0)}{question} {prose(1)}"])[0]) == hits


def test_published_sets_are_read_as_they_are_and_real_prose_has_none_of_them():
    folder = shared_data("eval/arc_easy.jsonl.gz").parent
    items = list(read_evaluation_sets((str(folder),)))
    by_set = {name: [item for item in items if item.set == name] for name in {item.set for item in items}}
    assert {name: len(some) for name, some in by_set.items()} == {
        "arc_easy.jsonl.gz": 2376,
        "openbook_qa.jsonl.gz": 500,
        "piqa.jsonl.gz": 1838,
        "mmlu-dev.tar.xz": 285,
        "mmlu-test.tar.xz": 14042,
    }
    question, *choices = by_set["arc_easy.jsonl.gz"][0].texts
    assert question.startswith("Which statement best explains why photosynthesis") and len(choices) == 4
    law = by_set["mmlu-test.tar.xz"][0]
    assert law.name.endswith("abstract_algebra_test.csv 2") and law.texts[0].startswith("Find the degree")
    some = [item for name in ("arc_easy.jsonl.gz", "mmlu-dev.tar.xz") for item in by_set[name]]
    index = ItemIndex.build((build_passages(item) for item in some), 13, 8, 0.75)
    planted = f"{prose(1)}\n1. {question}\n(a) {choices[0].lower()}"
    assert [(some[span.item].texts[0]) for span in index.spans([planted])[0]] == [question]
    with gzip.open(shared_data("crawl/gold.jsonl.gz"), "rt") as lines:
        gold = [json.loads(line) for line, _ in zip(lines, range(400), strict=False)]
    texts = [max((value for value in row.values() if isinstance(value, str)), key=len) for row in gold]
    assert sum(map(len, texts)) > 500_000 and not any(index.spans(texts))


def test_other_sets_of_the_same_name_are_another_result(tmp_path):
    sets = item_files(tmp_path)
    config = build_config({"inputs": ["x"], "output": "out", "decontaminate": {"sets": sets}})
    before = compute_stage_key("publish", config, {})
    (tmp_path / "law.csv").write_text("another,1\n")
    assert compute_stage_key("publish", config, {}) != before


@pytest.mark.parametrize(
    "name, content, needle",
    [
        ("gone.jsonl", None, "no evaluation set there"),
        ("a.pdf", b"x", "not one of .jsonl"),
        ("a.jsonl", b'{"q": "x"}\n{', "cannot be read as .jsonl"),
        ("a.csv.gz", b"no gzip", "cannot be read as .csv"),
        ("a.tar", b"no tar", "cannot be read as .tar"),
    ],
)
def test_a_set_that_cannot_be_read_is_one_line(tmp_path, name, content, needle):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EvaluationSetError, match=needle) as error:
        list(read_evaluation_sets((str(tmp_path / name),)))
    assert name in str(error.value) and "\n" not in str(error.value)


def make_tar(members: dict[str, bytes]) -> bytes:
    """Return a tar with the members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.jsonl.gz", gzip.compress(b" " * 3_000_000)),
        ("a.txt.xz", lzma.compress(b" " * 3_000_000)),
        ("a.tar.bz2", bz2.compress(make_tar({"b.txt": b" " * 3_000_000}))),
        ("a.tgz", gzip.compress(make_tar({"other.bin": b" " * 3_000_000, "b.jsonl": b""}))),
        ("a.tar", make_tar({"b.jsonl.gz": gzip.compress(b" " * 3_000_000)})),
        ("many.tar", make_tar({f"{n}.txt": b"" for n in range(12)})),
    ],
)
def test_a_set_that_grows_without_end_is_one_line(tmp_path, monkeypatch, name, content):
    monkeypatch.setattr("pipeline.io.evaluation_sets.MOST_BYTES", 1 << 20)
    monkeypatch.setattr("pipeline.io.evaluation_sets.MOST_MEMBERS", 10)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvaluationSetError, match="more than (1 MB when decompressed|10 files in it)") as error:
        list(read_evaluation_sets((str(tmp_path / name),)))
    assert name in str(error.value) and "\n" not in str(error.value)
