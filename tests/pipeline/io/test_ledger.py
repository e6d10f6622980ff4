"""The ledger's sums, what a failing one says, and the JSON that a ledger is written to."""

from collections import Counter

import pytest

from pipeline.io.ledger import (
    FileLedger,
    Ledger,
    LedgerError,
    LedgerTotals,
    UnreadableRange,
    find_extract_problems,
    find_publish_problems,
    require_no_problems,
    sum_file_ledgers,
)

RANGE = UnreadableRange(0, 5, "garbage")


def test_totals_add_numbers_and_mappings_and_chain_lists():
    one = FileLedger(responses=3, kept=2, rejected=Counter({"url/adult": 1}), unreadable=[RANGE], unreadable_bytes=5)
    two = FileLedger(responses=2, kept=1, rejected=Counter({"url/adult": 1, "http/status": 0}))
    both = sum_file_ledgers([one, two])
    assert (both.responses, both.kept, both.unreadable_bytes) == (5, 3, 5)
    assert list(both.rejected.items()) == [("http/status", 0), ("url/adult", 2)]
    assert both.unreadable == [RANGE]
    assert one.rejected == {"url/adult": 1}  # the parts are as they were


def test_a_lost_page_fails_the_run_with_the_difference():
    rejected = Counter({"url/adult": 1})
    require_no_problems(find_extract_problems(FileLedger(responses=3, kept=2, rejected=rejected), "a.warc"))
    with pytest.raises(LedgerError, match=r"a\.warc: 4 responses, 2 kept \+ 1 rejected: \+1"):
        require_no_problems(find_extract_problems(FileLedger(responses=4, kept=2, rejected=rejected), "a.warc"))


def test_a_page_published_twice_fails_the_run():
    counts = FileLedger(kept=5, duplicates=Counter(url=1, exact=0, near=1), held_out=Counter(mix=1))
    assert find_publish_problems(counts, 2, "in total") == []
    with pytest.raises(LedgerError, match=r"in total: 5 kept, 2 duplicates \+ 1 held out \+ 3 published: -1"):
        require_no_problems(find_publish_problems(counts, 3, "in total"))


def test_the_json_has_the_keys_of_the_public_contract_in_their_order():
    counts = ["records", "responses", "kept", "rejected", "unreadable_bytes", "unreadable", "truncated", "robots"]
    counts += ["gate", "fallback", "duplicates", "held_out"]
    totals = LedgerTotals(published=Counter(train=3), repeated=Counter(train=0, anneal=0), masked=2)
    totals.repeated_lines = {"lines": [1, 2], "pages": [1, 2], "characters": [5, 9]}
    totals.added = {"wiki": {"texts": 1, "held_out": {}, "published": 1, "repeated": 0, "bytes": [9, 9, 9]}}
    bad = FileLedger(unreadable_bytes=5, unreadable=[RANGE], bad_file="no crawl file")
    written = Ledger(totals, {"a.warc": bad}, {"a.warc": "no crawl file"}).to_json()
    assert list(written) == ["totals", "files", "bad_files"]
    assert list(written["files"]["a.warc"]) == counts
    more = ["repeated_lines", "published", "repeated", "added", "masked"]
    assert list(written["totals"]) == [name for name in counts if name != "unreadable"] + more
    assert written["totals"]["duplicates"] == {"url": 0, "exact": 0, "near": 0}
    assert written["totals"]["added"]["anneal"]["wiki"]["texts"] == 1
    assert written["totals"]["masked"] == {"contaminated": 2}
    assert Ledger.from_json(written).to_json() == written
    assert list(LedgerTotals().to_json())[-1] == "held_out"  # nothing of publishing before it has run
