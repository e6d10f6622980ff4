"""What every transform must be, found by walking over the three jobs as they are built and run.

A new transform is held to this without a line here: it is documented, travels to a worker, says what its elements are,
leaves them as they came, and if it combines, may be split anywhere.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.internal import pickler
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.typehints import typehints

import pipeline.dedup
import pipeline.extract
import pipeline.publish
from pipeline.cli.dry_run import builders
from pipeline.cli.run import run
from pipeline.cli.run_extract import local_stage
from pipeline.dedup import blocks, plan
from pipeline.dedup.job import build_dedup
from pipeline.dedup.plan import unread_shards
from pipeline.runners.beam_options import FN_API_RUNNER
from tests.pipeline.conftest import config

JOBS = (pipeline.extract, pipeline.dedup, pipeline.publish)
MODULES = [
    importlib.import_module(f"{job.__name__}.{found.name}")
    for job in JOBS
    for found in pkgutil.iter_modules(job.__path__)
]
KINDS = (beam.PTransform, beam.DoFn, beam.CombineFn)
CLASSES = [
    item
    for module in MODULES
    for item in vars(module).values()
    if inspect.isclass(item) and item.__module__ == module.__name__ and issubclass(item, KINDS)
]
MAX_PICKLED = 20_000  # bytes; more means that something was captured that a worker should load itself


class Steps(PipelineVisitor):
    """Lists the steps of a graph."""

    def __init__(self):
        self.steps: list[AppliedPTransform] = []

    def enter_composite_transform(self, step):
        self.visit_transform(step)

    def visit_transform(self, step):
        if step.transform is not None and step not in self.steps:
            self.steps.append(step)


@pytest.fixture(scope="module")
def settings(crawl, tmp_path_factory):
    output = tmp_path_factory.mktemp("conformance") / "out"
    target = output.with_name("target.jsonl")
    target.write_text('{"text": "a mill by the river"}\n')
    weights = {"max_pages_per_site": 4, "dsir": {"target": str(target), "keep": 0.9}}
    sources = {"extra_anneal_sources": {str(target): 0.2}}
    lines = {"repeated_lines": {"scope": "corpus", "min_pages": 2}}
    own = "tests.pipeline.extract.own_stages"
    stages = [{"after": "extract_text", "use": f"{own}:{name}"} for name in ("KeepAllStage", "OneByOneTransform")]
    return config(crawl, output, weights=weights, publish=sources, dedup=lines, stages=stages)


@pytest.fixture(scope="module")
def steps(settings) -> list[AppliedPTransform]:
    """Every step of the three jobs, and of what this machine's workers run."""
    found, shards = [], unread_shards(["part-0"])
    here = [
        lambda p: p | beam.Create([]) | local_stage(settings, "out"),
        lambda p: build_dedup(p, "out", settings, shards, in_pool=True),
    ]
    for build in [*builders(settings).values(), *here]:
        graph, visitor = beam.Pipeline(runner=FN_API_RUNNER), Steps()
        build(graph)
        graph.visit(visitor)
        found += visitor.steps
    return found


@pytest.fixture(scope="module")
def instances(steps) -> list[Any]:
    """Each transform, DoFn and CombineFn of ours in those steps."""
    parts = [part for step in steps for part in (step.transform, getattr(step.transform, "fn", None))]
    return [part for part in parts if isinstance(part, KINDS) and type(part) in CLASSES]


def test_every_class_is_part_of_a_job(instances):
    wanted = {cls for cls in CLASSES if not inspect.isabstract(cls)}
    assert {type(part) for part in instances} == wanted


def test_every_one_is_documented():
    for cls in CLASSES:
        assert cls.__doc__, cls
        if issubclass(cls, beam.PTransform):
            assert "->" in cls.__doc__, f"{cls.__name__}: what goes in and what comes out"
        for name, method in vars(cls).items():
            if inspect.isfunction(method) and not name.startswith("__"):
                assert method.__doc__, f"{cls.__name__}.{name}"
    for module in MODULES:
        assert module.__doc__
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                assert function.__doc__, f"{module.__name__}.{name}"


def test_every_one_travels_to_a_worker(instances):
    for part in instances:
        data = pickler.dumps(part)
        assert type(pickler.loads(data)) is type(part)
        assert len(data) < MAX_PICKLED, f"{type(part).__name__}: {len(data)} bytes"


def test_every_one_says_what_its_elements_are(steps):
    for step in steps:
        if type(step.transform) in CLASSES:
            assert all(out.element_type != typehints.Any for out in step.outputs.values()), step.full_label


def test_the_keys_of_every_shuffle_are_typed(steps):
    """Runners group by a key's bytes: only a known type has a coder whose bytes are the same on every worker."""
    for step in steps:
        if isinstance(step.transform, beam.GroupByKey):
            (source,) = step.inputs
            assert source.element_type.tuple_types[0] != typehints.Any, step.full_label


def snapshot(value: Any) -> Any:
    """Return a copy that equals another one exactly when nothing in the value has changed."""
    if isinstance(value, str | bytes | int | float | type(None)):
        return value
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, Mapping):
        return [(snapshot(k), snapshot(v)) for k, v in value.items()]
    if isinstance(value, Iterable):
        return [snapshot(item) for item in value]
    return repr(value)


CALLED: dict[str, int] = {}
COMBINED: dict[type, tuple[Any, list[Any]]] = {}


def compare(name: str, before: Any, element: Any) -> None:
    """Take note of a call; raise where it changed its element."""
    CALLED[name] = CALLED.get(name, 0) + 1
    assert snapshot(element) == before, f"{name} changed an element"


def watched(function, place: int = 0):
    """Return the function, watched for changes of its argument number `place`, which is the element."""

    @functools.wraps(function)
    def watch(*args, **kwargs):
        before = snapshot(args[place])
        result = function(*args, **kwargs)
        if inspect.isgenerator(result):
            return through(result, args)
        compare(function.__qualname__, before, args[place])
        return result

    def through(result, args):
        before = snapshot(args[place])
        yield from result
        compare(function.__qualname__, before, args[place])

    return watch


def remember(combine, element):
    """Keep what a CombineFn was given."""
    COMBINED.setdefault(type(combine), (combine, []))[1].append(element)


@pytest.fixture(scope="module")
def watched_run(settings):
    """The three jobs run in this process, every function and method that meets an element watched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ONE_MACHINE", ())  # the dedup job's blocks are still there after it
        patch.setattr(plan, "PARTITION_BANDS", 100)
        for name in ("Map", "FlatMap", "Filter"):
            real = getattr(beam, name)
            patch.setattr(beam, name, lambda fn, *args, _real=real, **kwargs: _real(watched(fn), *args, **kwargs))
        for cls in CLASSES:
            for method in ("process", "process_batch"):
                if issubclass(cls, beam.DoFn) and method in vars(cls):
                    patch.setattr(cls, method, watched(getattr(cls, method), 1))
            if issubclass(cls, beam.CombineFn):
                patch.setattr(cls, "add_input", remembering(cls.add_input))
        return run(settings, ["--direct_running_mode=in_memory"])


def remembering(add_input):
    """Return a CombineFn's method, watched and its elements kept."""

    def add(self, accumulator, element):
        remember(self, element)
        return watched(add_input, 2)(self, accumulator, element)

    return add


def test_no_element_is_changed(watched_run):
    assert watched_run.totals.published["train"] > 20  # the watched jobs did their work
    for name in (
        "ReadSplit.process",
        "ProcessPages.process_batch",
        "WriteParts.process_batch",
        "make_page_keys",
        "keep_one",
        "verify_partition",
        "read_candidates",
        "judge_site",
        "gather_shard",
    ):
        assert CALLED.get(name), f"{name} was not watched"


def test_a_change_would_be_seen():
    def spoil(element):
        element.append(1)

    def spoil_late(element):
        yield 1
        element.append(1)

    with pytest.raises(AssertionError, match="spoil changed an element"):
        watched(spoil)([0])
    with pytest.raises(AssertionError, match="spoil_late changed an element"):
        list(watched(spoil_late)([0]))


def test_what_combines_may_be_split_anywhere(watched_run):
    assert set(COMBINED) == {cls for cls in CLASSES if issubclass(cls, beam.CombineFn)}
    for combine, elements in COMBINED.values():
        assert len(elements) > 2  # FeaturesFn has one a shard
        whole = combined(combine, [elements])
        for parts in ([elements[::2], elements[1::2]], [elements[:3], [], elements[3:]], [elements[::-1]]):
            assert combined(combine, parts) == whole, type(combine).__name__


def combined(combine: beam.CombineFn, parts: list[list[Any]]) -> Any:
    """Return what a CombineFn makes of elements that came in parts, as on as many workers."""
    accumulators = []
    for part in parts:
        accumulator = combine.create_accumulator()
        for element in part:
            accumulator = combine.add_input(accumulator, element)
        accumulators.append(accumulator)
    return combine.extract_output(combine.merge_accumulators(accumulators))
