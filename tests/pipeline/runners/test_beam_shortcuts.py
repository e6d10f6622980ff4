"""What is kept of Beam's answers is what Beam answers."""

from functools import partial

import apache_beam as beam
import pytest
from apache_beam.coders import StrUtf8Coder
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import StandardOptions, WorkerOptions
from apache_beam.options.pipeline_options_context import scoped_pipeline_options
from apache_beam.transforms import core, userstate
from apache_beam.typehints import decorators

from pipeline.runners.beam_options import beam_options
from pipeline.runners.beam_shortcuts import AdviceForOthers, InlineExecutor, SharedAnswers, SharedSpecs


class Remembering(beam.DoFn):
    """A DoFn with a state, as a user's own transform may have."""

    SEEN = userstate.BagStateSpec("seen", StrUtf8Coder())
    STATE = beam.DoFn.StateParam(SEEN)

    def process(self, element, seen=STATE):
        seen.add(element[1])


class Holder(beam.DoFn):
    """Takes its function from elsewhere, as the DoFn of `beam.Map` does."""

    def __init__(self, process):
        self.process = process


def test_state_is_found_whichever_dofn_of_a_class_was_asked_before():
    beam_options([])  # puts it in the place of Beam's function
    assert isinstance(userstate.get_dofn_specs, SharedSpecs)
    plain, stateful = Holder(str), Holder(Remembering().process)
    assert type(plain) is type(stateful)
    for _ in range(2):
        assert userstate.get_dofn_specs(plain) == (set(), set())
        assert userstate.get_dofn_specs(stateful) == ({Remembering.SEEN}, set())
        assert userstate.get_dofn_specs(Remembering()) == ({Remembering.SEEN}, set())
        userstate.get_dofn_specs(Remembering())[0].clear()


def test_a_stateful_transform_runs_as_it_does_without():
    with beam.Pipeline(options=beam_options([])) as pipeline:
        _ = pipeline | beam.Create([("a", "1"), ("a", "2")]) | beam.ParDo(Remembering())


def test_every_view_of_the_options_shows_what_was_set_in_another():
    options = beam_options(["--direct_num_workers=2", "--direct_running_mode=multi_processing"])
    options.view_as(StandardOptions).runner = "other"
    assert options.view_as(StandardOptions) is options.view_as(StandardOptions)
    assert options.view_as(WorkerOptions).view_as(StandardOptions).runner == "other"
    assert options.get_all_options()["direct_num_workers"] == 2
    assert beam_options([]).view_as(StandardOptions).runner != "other"
    with pytest.raises(AttributeError):
        _ = options.view_as(StandardOptions).num_workers  # of another class


def test_arguments_are_those_of_the_function_and_of_its_method():
    beam_options([])
    found = core.get_function_args_defaults
    assert isinstance(found, SharedAnswers)
    for _ in range(2):
        assert found(Remembering.process) == (["self", "element", "seen"], [Remembering.STATE])
        assert found(Remembering().process) == (["element", "seen"], [Remembering.STATE])
        assert found(partial(Remembering.process, None)) == (["element", "seen"], [Remembering.STATE])
        assert found(Holder(str).process) == found.find(str)
        found(Remembering().process)[0].clear()


def split_words(text: str) -> list[str]:
    """Have annotations."""
    return text.split()


def test_type_hints_are_those_of_the_annotations():
    beam_options([])
    find = decorators.IOTypeHints.from_callable
    for _ in range(2):
        assert find(split_words) == find.find(split_words) and find(Remembering.process) is None
        assert find(split_words).input_types == ((str,), {})


class Confused(beam.DoFn):
    """A user's DoFn that Beam warns of."""

    def process(self, element):
        if element:
            return [element]
        yield element


def test_a_user_is_still_warned_of_a_dofn_that_yields_and_returns(caplog):
    beam_options([])
    assert isinstance(core._check_fn_use_yield_and_return, AdviceForOthers)
    beam.ParDo(Confused())
    assert "Using yield and return" in caplog.text


def test_what_is_done_at_once_gives_its_result_or_raises_as_in_a_thread():
    with InlineExecutor(max_workers=1) as executor:
        assert executor.submit(divmod, 7, 2).result(timeout=1) == (3, 1)
        broken = executor.submit(divmod, 7, 0)
    with pytest.raises(ZeroDivisionError):
        broken.result(timeout=1)


def test_only_what_stays_in_this_process_is_packed_otherwise_than_by_beam():
    plain = pickler.dumps("text")
    for flags, same in (([], False), (["--direct_running_mode=multi_processing"], True)):
        with scoped_pipeline_options(beam_options(flags)):
            packed = pickler.dumps("text")
        assert (packed == plain) == same
        assert pickler.loads(packed) == "text"
    assert pickler.dumps("text") == plain and pickler.loads(plain) == "text"
