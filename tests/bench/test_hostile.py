"""A short form of the benchmarks that damage crawl files and pages: nothing crashes, hangs or is lost."""

import importlib.util
import itertools

import pytest

from bench import coverage_fuzz, fuzz, mutants
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


# Inputs of about five seconds each; a hang is what takes two minutes on any machine.
RUNS = {"records": 6000, "response": 15_000, "url": 10_000, "html": 400, "text": 600, "page": 500}


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris has no wheel for this machine")
@pytest.mark.parametrize("target", coverage_fuzz.TARGETS)
def test_inputs_that_reach_new_code_raise_nothing(target: str) -> None:
    result = coverage_fuzz.fuzz_target(target, runs=RUNS[target], slow=120)
    assert result.fault == ""
    assert int(result.summary.partition("\t")[0].removeprefix("#")) >= RUNS[target]  # it may try some more at the end
