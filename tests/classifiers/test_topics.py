"""Topics: labels by each source, a model that reads them off text and address, tested on sites never seen."""

import gzip
import json
import random
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import main
from classifiers.errors import ClassifierError
from classifiers.topics.fit_stem_model import (
    ReadPage,
    cross_validate_stems,
    describe_read_pages,
    read_topic_labels,
    train_stem_model,
)
from classifiers.topics.labels import TopicLabel, TopicLists, label_pages, read_categorised_articles
from classifiers.topics.model import load_topic_model
from classifiers.topics.pages import read_topic_pages
from classifiers.topics.stem_model import STEM_MODEL, load_stem_model, write_stem_model
from classifiers.topics.training import deal_topic_folds
from pipeline.url.topic_by_address import DOMAINS
from tests.classifiers.test_references import dump
from tests.shared import ROOT, shared_data

WORDS = {
    "sport": "goal team coach stadium striker referee season penalty".split(),
    "health": "symptom pain dose fever infection recovery blood treatment".split(),
    "code": "function variable class loop string pointer return compile".split(),
}
TELLING = {"sport": "football", "health": "clinic", "code": "python"}
NEUTRAL = "gravel hedge kettle ladder napkin parcel ribbon teapot".split()
COMMON = "the of and in to a was for with on".split()


def pages(seed: int, told: bool) -> list[dict[str, str]]:
    """Return 480 pages of 96 sites. `told`: half of the sites have a name that tells the topic, the rest have none."""
    draw = random.Random(seed)
    rows = []
    for n in range(480):
        topic = list(WORDS)[n % 3]
        own, name = WORDS[topic], f"site{seed}x{n % 96}"
        if told and n % 96 < 48:
            name = f"{TELLING[topic]}{seed}x{n % 96}"
        elif told:
            topic, own = "other", NEUTRAL
        text = " ".join(draw.choice(own if draw.random() < 0.5 else COMMON) for _ in range(80))
        rows.append({"id": f"{seed}-{n}", "url": f"https://{name}.example/{n}", "text": text, "topic": topic})
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages without a topic, others with one, and a model trained on the first."""
    folder = tmp_path_factory.mktemp("topics")
    unlabelled = pa.Table.from_pylist(pages(1, True)).drop_columns(["topic"])
    pq.write_table(unlabelled, folder / "documents.parquet")
    pq.write_table(pa.Table.from_pylist(pages(2, False)), folder / "labelled.parquet")
    assert main(train(folder, "model")) == 0
    return folder


def train(folder: Path, name: str) -> list[str]:
    """Return the command that trains on the pages without a topic."""
    return ["topics", "--documents", str(folder / "documents.parquet"), "--output", str(folder / name)]


def test_it_learns_from_addresses_and_words_what_the_text_of_other_sites_is_about(folder, capsys):
    """The tested pages have neither telling addresses nor words of the table."""
    assert main(["evaluate", str(folder / "model"), "--labelled", str(folder / "labelled.parquet"), "--json"]) == 0
    sets = json.loads(capsys.readouterr().out)["sets"]["all"]
    assert sets["model"]["macro_f1"] > 0.9 and sets["text only"]["macro_f1"] > 0.9
    assert sets["address only"]["macro_f1"] < 0.2 and sets["majority"]["macro_f1"] < 0.2


def test_the_same_pages_give_the_same_model_and_its_card_says_how_good_it_is(folder, capsys):
    assert main(train(folder, "again")) == 0
    shown = capsys.readouterr().out
    assert "majority" in shown and "sport" in shown
    for name in ("topics.txt", "topics.json", "MODEL_CARD.md"):
        assert (folder / "again" / name).read_bytes() == (folder / "model" / name).read_bytes(), name
    tested = json.loads((folder / "model" / "topics.json").read_text())["test"]
    assert tested["sets"]["all"]["model"]["pages"] == 480


def test_a_folder_whose_weights_are_not_those_of_its_card_is_refused(folder, tmp_path):
    other = tmp_path / "model"
    shutil.copytree(folder / "model", other)
    assert load_topic_model(other).fingerprint == load_topic_model(folder / "model").fingerprint
    (other / "topics.txt").write_text(STEM_MODEL.read_text().replace("made ", "made x"))
    with pytest.raises(ClassifierError, match="is not the file that topics.json names"):
        load_topic_model(other)
    (other / "topics.json").write_text('{"version": 0}')
    with pytest.raises(ClassifierError, match="train it again"):
        load_topic_model(other)


def test_no_site_is_taught_and_tested(folder):
    found = read_topic_pages(documents=str(folder / "documents.parquet"))
    sites = [{page.site for page in fold} for fold in deal_topic_folds(found, 3, 0)]
    assert len(set.union(*sites)) == sum(map(len, sites))


def test_topics_are_columns_and_the_rest_is_as_it_was(folder):
    target = folder / "scored.parquet"
    assert main(["score", str(folder / "model"), str(folder / "documents.parquet"), "--output", str(target)]) == 0
    scored = pq.read_table(target)
    assert scored.drop_columns(["topic", "topic_score"]).equals(pq.read_table(folder / "documents.parquet"))
    true = [page["topic"] for page in pages(1, True)]
    assert sum(a == b for a, b in zip(scored["topic"].to_pylist(), true, strict=True)) > 400
    assert main(["score", "shipped", str(folder / "documents.parquet"), "--output", str(target)]) == 0
    assert set(pq.read_table(target)["topic"].to_pylist()) > {"sport", "health", "other"}
    model = load_topic_model(folder / "model")
    rows = pages(2, False)
    texts, urls = [row["text"] for row in rows], [row["url"] for row in rows]
    one_by_one = [model.predict_topics([text], [url])[0] for text, url in zip(texts, urls, strict=True)]
    assert one_by_one == model.predict_topics(texts, urls)
    assert model.predict_topics([""], ["https://football.example/"]) == [("other", 0.0)]


SPOKEN = {
    "health": "Die Ärzte im Krankenhaus behandeln Patienten mit Grippe; eine Impfung schützt vor der Krankheit.",
    "sport": "Сборная выиграла матч чемпионата, тренер доволен, нападающий забил гол, команда вышла в финал лиги.",
    "religion": "L'évêque a célébré la messe à l'église ; les chrétiens ont récité une prière à Dieu et au Christ.",
    "science": "Astronomers measured the orbit of a comet near Jupiter by telescope; NASA saw the galaxy.",
    "adult": "porn sex nude xxx videos, hot porn and naked sex, erotic fuck",
    "code": "def parse(argument): return json.loads(string)  # a function of the python library",
}


def test_the_shipped_model_tells_topics_in_several_languages():
    model = load_topic_model("shipped")
    found = model.predict_topics([*SPOKEN.values(), "", " .\n"], [""] * (len(SPOKEN) + 2))
    assert [topic for topic, _ in found] == [*SPOKEN, "other", "other"] and found[-2:] == [("other", 0.0)] * 2
    assert all(0 < score <= 1 for _, score in found[:-2])
    assert [model.predict_topics([text], [""])[0] for text in SPOKEN.values()] == found[:-2]


def test_the_url_of_a_page_counts_beside_its_text():
    model, text = load_topic_model("shipped"), "Welcome to our page. Here you find everything that you need."
    url = "https://forum.garden.example/viewtopic?t=4"
    assert model.predict_topics([text] * 2, [url, ""])[0][0] == "forum"
    assert model.predict_topics([text], [""])[0][0] != "forum"


def test_a_page_whose_words_a_model_has_learned_is_told_and_the_file_gives_the_same_model(tmp_path):
    """The words are in no field, so that only the stems can tell."""
    made = {"sport": "zork blick quorn", "legal": "flimm drabb wexel"}
    draw = random.Random(4)
    shown = [
        ReadPage("", f"{n}.example", " ".join(draw.choices(made[topic].split() + COMMON, k=30)), topic)
        for n, topic in enumerate(list(made) * 30)
    ]
    model = train_stem_model(shown)
    write_stem_model(model, DOMAINS, tmp_path / "m.txt", describe_read_pages(shown))
    assert (tmp_path / "m.txt").read_text().startswith("# The topic of a page") and "legal 30" in (
        tmp_path / "m.txt"
    ).read_text()
    read = load_stem_model(tmp_path / "m.txt")
    assert [topic for topic, _ in read.predict_topics(["zork quorn", "wexel FLIMMER"], ["", ""])] == ["sport", "legal"]
    assert read.fingerprint == model.fingerprint == train_stem_model(shown).fingerprint
    validated = cross_validate_stems(shown)
    assert len(validated) == 60 and sum(true == found for true, found in validated) > 55
    (tmp_path / "other.txt").write_text("made x\nintercepts 0\n")
    with pytest.raises(ClassifierError, match="science"):
        load_stem_model(tmp_path / "other.txt")


def test_no_site_is_read_for_training_and_tested():
    """Of the pages of the crawl; the rest of those that are learned from is of another collection."""
    with gzip.open(shared_data("crawl/index.jsonl.gz"), "rt") as lines:
        sites = {row["record_id"]: row["site"] for row in map(json.loads, lines)}
    read, tested = (
        {
            sites[identity]
            for name in names
            for identity in read_topic_labels(ROOT / "bench" / f"{name}.tsv")
            if identity in sites
        }
        for names in (["topics_read"], ["topics", "topics_held_out"])
    )
    assert len(read) > 400 and len(tested) == 220 and not read & tested


def test_each_source_of_labels(tmp_path):
    for category, name in (("press", "daily.example"), ("shopping", "sells.example"), ("phishing", "bad.example")):
        (tmp_path / category).mkdir()
        (tmp_path / category / "domains").write_text(name + "\n")
    lists = TopicLists(tmp_path)
    sure, vague = SPOKEN["health"], "On the one hand yes, on the other hand no."
    urls = ["https://www.daily.example/x", "https://www.daily.example/y", "https://bad.example/z"]
    found = label_pages([sure, vague, vague], urls, lists)
    assert found[:2] == [TopicLabel("health", "model"), TopicLabel("news", "list")] and found[2].source == "guess"
    assert label_pages([vague], urls[:1])[0].source == "guess" and lists.find_topic(urls[2]) == ""


QUARK = """{{Infobox|a={{b}}}}'''Quarks''' are <ref>x</ref> [[elementary particle|particles]].
[[File:a.jpg|thumb|A [[quark]] of {{c}}]]
{| class=x
| y
|}
== Kinds ==
* [https://up.example Up], [[down quark]]s
== Empty ==
== See also ==
* [[Lepton]]
[[Category:Quantum physics]]"""


def test_articles_by_the_words_of_their_categories(tmp_path):
    pages = [("Quark", QUARK), ("Mixed", "Of [[Category:Physics]] [[Category:Tennis]]"), ("Q", "#REDIRECT [[Quark]]")]
    (tmp_path / "dump.xml").write_bytes(dump(pages))
    assert list(read_categorised_articles([tmp_path / "dump.xml"])) == [
        ("Quark", "Quarks are particles.\nKinds\nUp, down quarks", "science")
    ]


def test_a_real_dump_becomes_texts(tmp_path, capsys):
    source = shared_data("wikipedia/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2")
    target = tmp_path / "articles.parquet"
    assert main(["articles", str(source), "--output", str(target), "--language", "en"]) == 0
    rows = pq.read_table(target).to_pylist()
    assert f"{len(rows)} articles" in capsys.readouterr().out and len(rows) > 90
    for row in rows:
        assert row["url"].startswith("https://en.wikipedia.org/wiki/") and row["text"].startswith(row["title"])
        prose = re.sub(r"\$[^$]*\$", "", row["text"])  # LaTeX may have braces
        assert not re.search(r"\[\[|\]\]|\{\{|<ref|^==", prose, re.M), row["title"]
    whole = "\n".join(row["text"] for row in rows)
    faults = (
        "&[a-z]{2,8};",
        r"[(（]\s*[;,:]?\s*[)）]",
        "  ",
        "^(?:File|Image):",
        "__[A-Z]+__",
        r"\w ,",
        "</?[a-z]+[ >]",
    )
    counts = {fault: len(re.findall(fault, whole, re.M)) for fault in faults}
    assert {fault: count for fault, count in counts.items() if count > 5} == {} and len(whole) > 2_500_000
