"""The ledger's sums, and what a failing one says."""

import pytest

from pipeline.io import ledger


def counts(**over):
    return ledger.empty() | over


def test_totals_add_numbers_and_mappings_and_chain_lists():
    one = counts(responses=3, kept=2, rejected={"url/adult": 1}, unreadable=[[0, 5, "garbage"]], unreadable_bytes=5)
    two = counts(responses=2, kept=1, rejected={"url/adult": 1, "http/status": 0})
    both = ledger.total([one, two])
    assert (both["responses"], both["kept"], both["unreadable_bytes"]) == (5, 3, 5)
    assert both["rejected"] == {"http/status": 0, "url/adult": 2}
    assert both["unreadable"] == [[0, 5, "garbage"]]
    assert one["rejected"] == {"url/adult": 1}  # the parts are as they were


def test_a_lost_page_fails_the_run_with_the_difference():
    ledger.require(ledger.extract_problems(counts(responses=3, kept=2, rejected={"url/adult": 1}), "a.warc"))
    with pytest.raises(ledger.LedgerError, match=r"a\.warc: 4 responses, 2 kept \+ 1 rejected: \+1"):
        ledger.require(ledger.extract_problems(counts(responses=4, kept=2, rejected={"url/adult": 1}), "a.warc"))


def test_a_page_published_twice_fails_the_run():
    book = counts(kept=5, duplicates={"url": 1, "exact": 0, "near": 1}, held_out={"mix": 1})
    assert ledger.publish_problems(book, 2, "in total") == []
    with pytest.raises(ledger.LedgerError, match=r"in total: 5 kept, 2 duplicates \+ 1 held out \+ 3 published: -1"):
        ledger.require(ledger.publish_problems(book, 3, "in total"))
