"""A short form of the benchmarks that damage crawl files and pages: nothing crashes, hangs or is lost."""

import itertools

import pytest

from bench import fuzz, mutants
from bench.mutants import identify, judge, list_sources, read_items


def test_damaged_pages_raise_nothing_in_any_stage() -> None:
    cases = itertools.islice(fuzz.find_faults(fuzz.PageWay(), itertools.count(1_000_000)), 250)
    assert [(seed, fault) for seed, fault in cases if fault] == []


@pytest.mark.parametrize("number", range(mutants.OURS))
def test_damage_to_one_record_costs_no_other(number: int) -> None:
    source = list_sources("no such crawl")[number]
    sound = [identify(read_items(piece)) for piece in source.pieces]
    faults = [judge(source, sound, seed).fault for seed in range(1_000_000, 1_000_040)]
    assert [fault for fault in faults if fault and ": hang:" not in fault] == []
