"""The extract job: crawl files in, `documents/` and `rejected/` out, a shard of each per input file.

`build` is the whole job. Every stage is a transform of its own, in the file of its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from pipeline.config import Config
from pipeline.extract.extract_text import AddMetadata, ExtractText
from pipeline.extract.filter_quality import FilterQuality
from pipeline.extract.identify_language import IdentifyLanguage
from pipeline.extract.mask_pii import MaskPii
from pipeline.extract.merge_splits import MergeSplits
from pipeline.extract.page_stage import PageStage
from pipeline.extract.prefilter_language import PrefilterLanguage
from pipeline.extract.read_crawl import ReadCrawl
from pipeline.extract.score_quality import ScoreQuality
from pipeline.extract.sign_minhash import SignMinHash
from pipeline.extract.splits import InputFile, Split, settings_fingerprint
from pipeline.extract.write_split import WriteSplit


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
        | "by file" >> beam.Distinct()
        | "merge" >> MergeSplits(root, settings_fingerprint(config))
    )


@dataclass(eq=False)
class ExtractPages(beam.PTransform):
    """PCollection[Split] -> PCollection[str]: every page of the splits through all stages, and written as parts."""

    config: Config
    root: str

    def expand(self, splits: Any) -> Any:
        """Chain the stages."""
        config = self.config
        pages = splits | ReadCrawl((), self.root, config.input, config.url, config.robots)
        for stage in page_stages(config):
            pages = pages | stage
        return pages | WriteSplit(self.root)


def page_stages(config: Config) -> list[PageStage]:
    """Return the stages between reading and writing, in their order."""
    return [
        PrefilterLanguage(config.languages, config.language),
        ExtractText(config.extract),
        IdentifyLanguage(config.languages, config.language),
        FilterQuality(config.rules),
        MaskPii(config.pii),
        ScoreQuality(config.quality.model, config.quality.min_score),
        AddMetadata(config.extract.find_dates),
        SignMinHash(config.dedup.minhash_params() if config.dedup.near else None),
    ]


@dataclass(eq=False)
class ExtractOrMerge(beam.PTransform):
    """PCollection[Split | InputFile] -> PCollection[str]: the job's two halves, for a worker that draws tasks for both.

    The workers of this machine run it: a split is drawn early, its file once all of its splits are done.
    """

    config: Config
    root: str

    def expand(self, tasks: Any) -> Any:
        """Send each task to its half of the job."""
        splits = tasks | "splits" >> beam.Filter(is_split).with_output_types(Split)
        names = tasks | "files" >> beam.FlatMap(file_names).with_output_types(str)
        written = splits | "pages" >> ExtractPages(self.config, self.root)
        merged = names | "merge" >> MergeSplits(self.root, settings_fingerprint(self.config))
        return (written, merged) | beam.Flatten()


def is_split(task: Split | InputFile) -> bool:
    """Tell whether a task is a split."""
    return isinstance(task, Split)


def file_names(task: Split | InputFile) -> list[str]:
    """Return the name of the shards of a task that is a file; nothing of a split."""
    return [task.name] if isinstance(task, InputFile) else []
