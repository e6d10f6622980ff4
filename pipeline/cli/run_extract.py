"""The extract job of a run: over what is not done yet, on this machine's cores or on another runner."""

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline.cli.config_checks import contents
from pipeline.cli.errors import RunError
from pipeline.cli.resume import check_model_files
from pipeline.config import Config
from pipeline.extract.splits import InputFile, Piece, Todo, settings_fingerprint, todo
from pipeline.io.output import WORK, Output
from pipeline.runners.beam_options import beam_options, is_local
from pipeline.runners.local_pool import run_tasks


def extract(files: list[InputFile], config: Config, output: Output, flags: list[str]) -> None:
    """Run the extract job over what is not done yet, and mark the whole job done."""
    found = todo(files, config, output)
    check_model_files(contents(config), output)
    if found.files:
        run_extract(found, files, config, output, flags)
    names = [file.name for file in files]
    output.write_json({"files": names, "settings": settings_fingerprint(config)}, WORK, "extract.json")


def run_extract(found: Todo, files: list[InputFile], config: Config, output: Output, flags: list[str]) -> None:
    """Mill the pieces and put the files together: on this machine's cores, or as one Beam job on another runner."""
    if is_local(flags):
        from pipeline.runners.progress import Progress

        sizes = [file.size for file in files]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        left = sum(piece.bytes for piece in found.pieces)
        workers = min(config.workers or os.cpu_count() or 1, max(len(found.pieces), 1))
        pieces = sorted(found.pieces, key=lambda piece: (-piece.bytes, piece))  # the largest first
        with Progress(total, (total or left) - left) as progress:
            stage = partial(local_stage, config, output.root)
            run_tasks([*pieces, *ready(found)], stage, workers, progress, joins(found), flags)
        return
    import apache_beam as beam

    from pipeline.extract.job import build

    with beam.Pipeline(options=beam_options(flags, "extract")) as pipeline:
        build(pipeline, output.root, config, found.pieces, found.files)


def local_stage(config: Config, root: str) -> Any:
    """Return what a worker of this machine runs; called there, so that this process need not import Beam."""
    from pipeline.extract.job import MillAndJoin

    return MillAndJoin(config, root)


def ready(found: Todo) -> list[InputFile]:
    """Return the files whose pieces were all milled before."""
    unfinished = {piece.name for piece in found.pieces}
    return [file for file in found.files if file.name not in unfinished]


def joins(found: Todo) -> Callable[[Piece | InputFile], list[InputFile]]:
    """Return what names a file to be put together once the last of its pieces is milled."""
    left = Counter(piece.name for piece in found.pieces)
    files = {file.name: file for file in found.files}

    def follow(result: Piece | InputFile) -> list[InputFile]:
        if isinstance(result, InputFile):
            return []
        left[result.name] -= 1
        return [] if left[result.name] else [files[result.name]]

    return follow


def extracted(output: Output) -> dict[str, dict[str, Any]]:
    """Return each extracted file's marker by shard name. Raises RunError where the extract job has not ended."""
    if not output.exists(WORK, "extract.json"):
        raise RunError(f"{output.root}: the extract job has not ended here; run `python -m pipeline extract` first")
    names = output.read_json(WORK, "extract.json")["files"]
    return {name: output.read_json(WORK, "extract", f"{name}.json") for name in sorted(names)}
