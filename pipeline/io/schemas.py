"""The schemas: what a row of each Parquet folder of an output holds. The contract with whoever reads the shards.

documents/   a page that was kept: its text, where it came from, what was measured
rejected/    a page that was not: the stage, the reason, and the measure that failed
duplicates/  a kept page that another page stands for: which one, how similar, which cluster
repeated_lines/  a line of a kept page that goes because many pages have it
contaminated/  a span of a kept page that an item of an evaluation set has
corpus/      a published page
"""

import pyarrow as pa

from pipeline.filters.chain import MEASURES

SCORES = ("quality", "worth", "reference", "structure", "wording", "fluency")  # the ensemble, and its members

DOCUMENT = pa.schema(
    [
        ("id", pa.string()),  # WARC-Record-ID as written; ARC: derived from URL, date and payload
        ("url", pa.string()),
        ("date", pa.string()),  # of the crawl, as the archive writes it
        ("language", pa.string()),  # ISO code by language identification
        ("language_score", pa.float32()),
        ("language_share", pa.float32()),  # of the text that is not in another language: a mixed page has less than 1
        ("text", pa.string()),
        ("engine", pa.string()),  # that gave the text; null where the input is text
        ("title", pa.string()),
        ("author", pa.string()),
        ("published", pa.string()),  # the day that the page states, else what htmldate finds in it
        ("licence", pa.string()),  # a Creative Commons link, where the page has one
        ("site", pa.string()),  # registered domain, by the public suffix list
        ("domain", pa.string()),  # one of pipeline.text.domain.DOMAINS
        ("page_type", pa.string()),  # article, documentation, forum, product, service or listing, by a classifier
        ("canonical_url", pa.string()),  # of its address: the key by which captures of one page meet
        ("canonical_link", pa.string()),  # the address that the page itself calls its own
        ("encoding", pa.string()),  # it was read in; "utf-8 twice" where text that was encoded twice is repaired
        ("robots", pa.string()),  # the page's own wishes, sorted, with commas: noindex,nofollow
        ("file", pa.string()),  # the input it was read from
        ("offset", pa.int64()),  # of the record in that input
        ("pii", pa.int32()),  # how many spans were masked
        ("measures", pa.struct([(name, pa.float32()) for name in MEASURES])),
        ("scores", pa.struct([(name, pa.float32()) for name in SCORES])),  # null for a member that is silent
        ("text_hash", pa.binary(16)),  # of the normalised text, for exact duplicates
        ("minhash", pa.binary()),  # little-endian uint32 signature; empty where near duplicates are off
    ]
)

REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("value", pa.float64()),  # of the measure that failed; null where there is none
        ("text", pa.string()),  # null where the page did not get that far
        ("measure", pa.string()),
        ("threshold", pa.float64()),
        ("detail", pa.string()),  # what matched, or what the page said
        ("language", pa.string()),
        ("language_score", pa.float32()),
        ("date", pa.string()),
        ("robots", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
    ]
)

DUPLICATE = pa.schema(
    [
        ("id", pa.string()),  # the page that is dropped
        ("kept_id", pa.string()),  # the page that stands for it, which is itself kept
        ("kind", pa.string()),  # url, exact, near
        ("similarity", pa.float32()),  # exact Jaccard of the two; null for url
        ("cluster", pa.string()),  # the smallest id of the connected component
        ("row", pa.int64()),  # of the dropped page in the documents/ shard of the same name
        ("kept_in", pa.string()),  # the earlier output with the kept page (dedup.previous_outputs); null: this one
        ("kept_shard", pa.string()),  # the documents/ shard of the kept page, there
        ("kept_row", pa.int64()),  # and its row
    ]
)

REPEATED_LINE = pa.schema(
    [
        ("id", pa.string()),  # the page
        ("row", pa.int64()),  # of the page in the documents/ shard of the same name
        ("start", pa.int32()),  # in characters of the page's text in documents/
        ("end", pa.int32()),
        ("pages", pa.int64()),  # how many pages have it: of the site, or of the corpus, after duplicates
    ]
)

CONTAMINATED = pa.schema(
    [
        ("id", pa.string()),  # the page
        ("url", pa.string()),
        ("set", pa.string()),  # the evaluation set: its file's name
        ("item", pa.string()),  # its place there, from 1; in an archive behind the name of the file within
        ("start", pa.int64()),  # in characters of the page's text in documents/
        ("end", pa.int64()),
        ("ngrams", pa.int32()),  # how many of the span's n-grams are the item's; 0: its question was found as a whole
        ("overlap", pa.float64()),  # the share of the question that agrees, by words or by weight; 1: word for word
        ("text", pa.string()),  # the span
        ("action", pa.string()),  # drop: the page is not published; mask: the span became "[...]"
        ("row", pa.int64()),  # of the page in the documents/ shard of the same name
    ]
)

CORPUS = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("dump", pa.string()),  # Common Crawl's name of the crawl (CC-MAIN-2024-10), if file_path has it; else null
        ("file_path", pa.string()),  # the input that the page was read from
        ("language", pa.string()),
        ("language_score", pa.float32()),  # null for a text of an extra source
        ("domain", pa.string()),
        ("page_type", pa.string()),  # empty for a text of an extra source
        ("quality", pa.float32()),
        ("token_count", pa.int32()),  # of the text, by the tokenizer in tokenizer/
        ("minhash_cluster_size", pa.int32()),  # the page and the near duplicates dropped for it; null: not looked for
        ("text", pa.string()),
        ("weight", pa.float32()),  # how often the mixture publishes the page on average; each copy is a row
    ]
)

# Columns of corpus/ where a topic classifier is set.
TOPIC = pa.schema([("topic", pa.string()), ("topic_score", pa.float32())])  # one of DOMAINS; the model's probability


def add_topic_columns(schema: pa.Schema, topics: bool) -> pa.Schema:
    """Return the columns of corpus/, or of a file on the way there, where a classifier gives topics or does not."""
    return pa.schema([*schema, *TOPIC]) if topics else schema
