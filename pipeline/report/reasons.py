"""What each reason of the ledger means; docs/reasons.md is written from these tables."""

from pipeline.filters.chain import built_in_filters

# `stage/reason` of pages that extract rejects, filters apart: those follow from the thresholds.
REJECTION_REASONS: dict[str, str] = {
    "record/too-large": "The crawler cut the record because it was too long (WARC-Truncated: size).",
    "record/incomplete": "The connection broke while the page was crawled, or the file ends in the record.",
    "record/truncated": "The crawler cut the record for another reason, and `input.truncated` is `reject`.",
    "url/too-long": "The URL is too long to be one.",
    "url/not-http": "The address is not http or https, or has no host.",
    "url/blocked-domain": "A blocklist has the domain.",
    "url/blocked-url": "A blocklist has the address.",
    "url/adult-words": "The address has words of adult sites.",
    "url/listed-words": "The address has words of `url.word_lists`.",
    "url/extension": "The file ending says that the address is no page.",
    "http/no-status": "The response has no HTTP status line.",
    "http/status": "The HTTP status is not 200.",
    "http/empty": "The response has no body.",
    "http/too-large": "The decoded body is larger than `input.max_page_mb`.",
    "mime/not-html": "The body is not HTML.",
    "robots/noindex": "The page says noindex, and `robots.noindex` is on.",
    "robots/noai": "The page says noai, and `robots.noai` is on.",
    "robots/tdm-reservation": "The page reserves text and data mining, and `robots.tdm_reservation` is on.",
    "language/gate": "The prefilter found none of the wanted languages in the first visible text.",
    "language/unwanted": "The language of the main text is not among `languages`.",
    "language/low-score": "The language is less certain than `language.min_score`.",
    "extract/empty": "The engine found no text.",
    "extract/too-short": "The text has fewer characters than `extract.min_characters`.",
    "extract/timeout": "The page took more CPU time in a stage than `extract.timeout_seconds`.",
    "extract/memory": "The page took more memory in a stage than 2 GB.",
    "extract/crash": "The page made the engine, or another stage, crash.",
    "extract/too-deep": "The page is nested too deeply for the engine.",
    "extract/too-large": "The page has more characters than an engine is given.",
    "extract/parse-error": "The engine could not parse the page.",
    "quality/low-score": "The quality score is below `quality.min_score`.",
    "quality/low-worth": "The worth, by the quality score and the length, is below `quality.min_worth`.",
}

# Why a kept page is not published (`held_out`).
EXCLUSION_REASONS: dict[str, str] = {
    "contaminated": "The page has an item of an evaluation set.",
    "repeated-lines": "Too little text is left after repeated lines were removed.",
    "dsir": "DSIR did not draw the page.",
    "site-cap": "The site has more pages than `weights.max_pages_per_site`.",
    "mix": "The weights of the mixture gave the page no copy.",
}

# Why a kept page is a duplicate.
DUPLICATE_KINDS: dict[str, str] = {
    "url": "Another capture of the same canonical URL is kept.",
    "exact": "Another page with the same normalised text is kept.",
    "near": "A page with a Jaccard similarity of at least `dedup.threshold` is kept.",
}

# Why bytes of an input are no record.
UNREADABLE_REASONS: dict[str, str] = {
    "corrupt-gzip": "A gzip member is damaged.",
    "corrupt-zstd": "A zstd frame is damaged.",
    "corrupt-lz4": "An lz4 frame is damaged.",
    "truncated": "The file ends in the middle.",
    "garbage": "The bytes are no record.",
    "bad-record-header": "A record's header cannot be read.",
    "timeout": "The reader took too long to find the next record.",
    "not-a-crawl-file": "The file holds no crawl record at all.",
}


def describe_all_reasons() -> dict[str, str]:
    """Return the meaning of each `stage/reason` of the funnel, as plain text."""
    others = {f"duplicate/{kind}": text for kind, text in DUPLICATE_KINDS.items()}
    others |= {f"held out/{reason}": text for reason, text in EXCLUSION_REASONS.items()}
    found = REJECTION_REASONS | describe_filter_reasons() | others
    return {key: text.replace("`", "") for key, text in found.items()}


def describe_filter_reasons() -> dict[str, str]:
    """Return the meaning of each reason of the built-in filters, from their thresholds."""
    meanings: dict[str, list[str]] = {}
    for stage, cls in built_in_filters().items():
        for threshold in cls().thresholds():
            side = "below" if threshold.is_minimum else "above"
            meaning = f"`{threshold.measure}` is {side} `rules.{stage}.{threshold.field}`."
            meanings.setdefault(f"{stage}/{threshold.reason}", []).append(meaning)
    return {key: " ".join(dict.fromkeys(texts)) for key, texts in meanings.items()}
