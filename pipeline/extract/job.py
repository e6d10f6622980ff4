"""The extract job: crawl files in, `documents/` and `rejected/` out, a shard of each per input file.

`build` is the whole job. Every stage is a transform of its own, in the file of its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipeline.config import Config, build_config
from pipeline.extract.extract_text import AddMetadata, ExtractText
from pipeline.extract.filter_quality import FilterQuality
from pipeline.extract.identify_language import IdentifyLanguage
from pipeline.extract.mask_pii import MaskPii
from pipeline.extract.merge_splits import MergeSplits, MergeWrittenSplits
from pipeline.extract.page import Page, PageFunction, settle_page
from pipeline.extract.page_stage import PageStage, PageTransform, RunOwnStage, RunOwnTransform
from pipeline.extract.prefilter_language import PrefilterLanguage
from pipeline.extract.read_crawl import ReadCrawl, batch_pages, read_split
from pipeline.extract.score_quality import ScoreQuality
from pipeline.extract.settings import STAGES, OwnStage, list_stages, read_own_stages
from pipeline.extract.sign_minhash import SignMinHash
from pipeline.extract.splits import InputFile, Split, make_whole_split, settings_fingerprint
from pipeline.extract.write_split import WriteSplit
from pipeline.filters.chain import filter_names
from pipeline.io.inputs import expand_inputs
from pipeline.io.ledger import FileLedger
from pipeline.settings import ConfigError
from pipeline.url.filter import UrlFilter

SHARED_STAGES = (PrefilterLanguage, IdentifyLanguage, MaskPii, ScoreQuality, AddMetadata, SignMinHash)


def build(
    pipeline: beam.Pipeline, root: str, config: Config, splits: Sequence[Split], files: Sequence[InputFile]
) -> None:
    """Add the job to a Beam pipeline: process every split, then merge each file whose last split was written."""
    written = (
        pipeline
        | "splits" >> beam.Create(splits, reshuffle=False).with_output_types(Split)
        | "spread" >> beam.Reshuffle()
        | "pages" >> ExtractPages(config, root)
    )
    names = pipeline | "files" >> beam.Create([file.name for file in files], reshuffle=False).with_output_types(str)
    _ = (
        (written, names)  # files without pages have no part
        | beam.Flatten()
        | "merge" >> MergeSplits(root, settings_fingerprint(config))
    )


@dataclass(eq=False)
class ExtractPages(beam.PTransform[PCollection[Split], PCollection[str]]):
    """PCollection[Split] -> PCollection[str]: every page of the splits through all stages, and written as parts."""

    config: Config
    root: str

    def expand(self, splits: PCollection[Split]) -> PCollection[str]:
        """Chain the stages."""
        config = self.config
        pages = splits | ReadCrawl(
            (), self.root, config.input, config.url, config.robots, config.extract.timeout_seconds
        )
        for stage in page_stages(config):
            pages = pages | stage
        written: PCollection[str] = pages | WriteSplit(self.root, merge=False)
        return written


def page_stages(config: Config) -> list[PageTransform]:
    """Return the stages between reading and writing, in their order, those of the user's own included."""
    quality = config.quality
    stages: dict[str, PageTransform] = {
        "prefilter_language": PrefilterLanguage(config.languages, config.language),
        "extract_text": ExtractText(config.extract),
        "identify_language": IdentifyLanguage(config.languages, config.language),
        "filter_quality": FilterQuality(config.rules, config.extract, config.languages, config.language),
        "mask_pii": MaskPii(config.pii),
        "score_quality": ScoreQuality(quality.model, quality.min_score, quality.score, quality.min_worth),
        "add_metadata": AddMetadata(config.extract.find_dates),
        "sign_minhash": SignMinHash(config.dedup.minhash_params() if config.dedup.near else None),
    }
    filters = filter_names(config.rules)
    own = read_own_stages(config.stages, filters)
    known = tuple(list_stages(config.stages, filters))
    return [
        transform
        for name in STAGES
        for transform in (
            *([stages[name]] if name in stages else []),
            *(make_own_transform(stage, known) for stage in own if stage.after == name),
        )
    ]


def make_own_transform(stage: OwnStage, known: tuple[str, ...]) -> PageTransform:
    """Return the transform that runs a stage of the user's own. Raises ConfigError where there is no such stage."""
    made = stage.make()
    if isinstance(made, beam.PTransform) and not isinstance(made, PageStage):
        return RunOwnTransform(stage, known)
    return RunOwnStage(stage)


def preload_stages(config: Config) -> None:
    """Load the models and tables of the package's own stages that start no process: forks of this process share them.

    What cannot be loaded is left to a worker, which reports it.
    """
    for stage in page_stages(config):
        if isinstance(stage, SHARED_STAGES) or (
            isinstance(stage, ExtractText) and stage.settings.engine == "gristmill"
        ):
            with suppress(ValueError, OSError):
                stage.load()


def load_stages(config: Config) -> list[PageFunction]:
    """Return the functions of `page_stages`, loaded in this process. Raises ConfigError where one needs Beam."""
    stages = page_stages(config)
    for stage in stages:
        if isinstance(stage, RunOwnTransform):
            raise ConfigError(f"{stage.stage.place}: a Beam transform, which cannot run without Beam")
    return [stage.load() for stage in stages if isinstance(stage, PageStage)]


def apply_stages(pages: Sequence[Page], stages: Sequence[PageFunction]) -> list[Page]:
    """Return a batch of pages after all stages, which are those of `load_stages`."""
    for process_pages in stages:
        pages = process_pages(pages)
    return list(pages)


def extract_pages(inputs: str | Sequence[str], settings: Config | Mapping[str, object] | None = None) -> Iterator[Page]:
    """Yield every page of crawl files after all stages, in this process and without Beam.

    `inputs` are files, folders, globs or addresses; `settings` is a config, or a mapping of its keys without `inputs`
    and `output`. Rejected pages are yielded too: `page.rejection` says why. Raises ConfigError or OSError, one line.
    """
    named = [inputs] if isinstance(inputs, str) else list(inputs)
    if isinstance(settings, Config):
        config = replace(settings, inputs=tuple(named))
    else:
        config = build_config({**(settings or {}), "inputs": named, "output": "none"})
    urls, stages = UrlFilter(config.url), load_stages(config)
    for item in expand_inputs(config.inputs, config.input, config.seed):
        counts = FileLedger()
        split = make_whole_split(item)
        for batch in batch_pages(read_split(split, urls, config.input, config.robots, counts)):
            yield from map(settle_page, apply_stages(batch, stages))
        if counts.bad_file:
            raise ConfigError(counts.bad_file)


@dataclass(eq=False)
class ExtractOrMerge(beam.PTransform[PCollection[Split | InputFile], PCollection[str]]):
    """PCollection[Split | InputFile] -> PCollection[str]: the job's two halves, for a worker that draws tasks for both.

    The workers of this machine run it: a split is drawn early, its file once all of its splits are done.
    """

    config: Config
    root: str

    def expand(self, tasks: PCollection[Split | InputFile]) -> PCollection[str]:
        """Send each task to its half of the job."""
        splits = tasks | "splits" >> beam.Filter(is_split).with_output_types(Split)
        names = tasks | "files" >> beam.FlatMap(file_names).with_output_types(str)
        written = splits | "pages" >> ExtractPages(self.config, self.root)
        merged = names | "merge" >> MergeWrittenSplits(self.root, settings_fingerprint(self.config))
        done: PCollection[str] = (written, merged) | beam.Flatten()
        return done


def is_split(task: Split | InputFile) -> bool:
    """Tell whether a task is a split."""
    return isinstance(task, Split)


def file_names(task: Split | InputFile) -> list[str]:
    """Return the name of the shards of a task that is a file; nothing of a split."""
    return [task.name] if isinstance(task, InputFile) else []
