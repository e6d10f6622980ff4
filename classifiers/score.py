"""The trained classifier: pages in, calibrated probabilities out."""

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.calibration import Platt
from classifiers.data import open_parquet
from classifiers.errors import ClassifierError
from classifiers.features import VERSION, tokens
from classifiers.files import folder_written_whole, written_whole
from classifiers.topics import TopicModel

LABEL = "__label__reference"
SITES = "sites.txt"  # of a model's folder: a mark of each site that it was trained on, sorted


def site_mark(site: str) -> str:
    """Return the mark of a site: 12 hex digits of a hash."""
    return hashlib.sha256(site.encode("utf-8", "replace")).hexdigest()[:12]


class QualityModel:
    """A folder that `python -m classifiers train` wrote, loaded. Not picklable: each worker loads its own."""

    def __init__(self, model: Any, config: dict[str, Any], fingerprint: str, folder: Path | None = None):
        """Hold a loaded fastText model; use `load`."""
        self.model, self.config, self.fingerprint, self.folder = model, config, fingerprint, folder
        self.calibration = Platt(**config["calibration"])

    def knows(self, site: str) -> bool:
        """Return whether it was trained on pages of a site."""
        return bool(site) and site_mark(site) in self.sites

    @cached_property
    def sites(self) -> frozenset[str]:
        """The marks of the sites that it was trained on; read only where someone asks."""
        path = self.folder / SITES if self.folder else None
        return frozenset(path.read_text().split()) if path and path.exists() else frozenset()

    @classmethod
    def load(cls, folder: str | Path) -> "QualityModel":
        """Load a model. Raises ClassifierError, one line, where the folder holds none that this version can use."""
        import fasttext

        folder = Path(folder)
        if (folder / "ensemble.json").exists():
            return Ensemble.of(folder)
        try:
            config = json.loads((folder / "config.json").read_text())
            data = (folder / "model.bin").read_bytes()
        except (OSError, ValueError) as error:
            raise ClassifierError(f"{folder}: no trained classifier there ({error})") from error
        if config.get("features") != VERSION:
            raise ClassifierError(
                f"{folder}: its features are version {config.get('features')}, not {VERSION}; train again"
            )
        if hashlib.sha256(data).hexdigest() != config.get("model_sha256"):
            raise ClassifierError(f"{folder}/model.bin: not the file that config.json names; train it again")
        fasttext.FastText.eprint = lambda text: None
        return cls(fasttext.load_model(str(folder / "model.bin")), config, config["model_sha256"][:16], folder)

    def log_odds(self, lines: list[str]) -> np.ndarray:
        """Return the model's log odds of being a reference, for lines of tokens."""
        odds = np.zeros(len(lines))
        if lines:
            labels, probabilities = self.model.predict(lines, k=2)
            for n, (names, values) in enumerate(zip(labels, probabilities, strict=True)):
                p = min(max(dict(zip(names, values, strict=True)).get(LABEL, 0.0), 1e-7), 1 - 1e-7)
                odds[n] = np.log(p / (1 - p))
        return odds

    def probabilities(self, lines: list[str]) -> np.ndarray:
        """Return the calibrated P(reference) of lines of tokens; 0 for an empty one."""
        odds = zip(self.log_odds(lines), lines, strict=True)
        return np.array([self.calibration(float(value)) if line else 0.0 for value, line in odds])

    def score(self, texts: list[str]) -> list[float]:
        """Return the calibrated P(reference) of each text, as float32 values; a text without tokens scores 0."""
        lines = [tokens(text, self.config["max_characters"]) for text in texts]
        return self.probabilities(lines).astype(np.float32).astype(float).tolist()


class Ensemble(QualityModel):
    """Several classifiers in one folder, each calibrated on its own set: the greatest of their scores, or the mean."""

    def __init__(self, members: list[QualityModel], by: str):
        """Hold loaded classifiers; `by` is "max" or "mean"."""
        self.members, self.by = members, by
        self.config = {"max_characters": max(member.config["max_characters"] for member in members)}
        self.fingerprint = hashlib.sha256("".join([by, *(m.fingerprint for m in members)]).encode()).hexdigest()[:16]

    def knows(self, site: str) -> bool:
        """Return whether any member was trained on pages of a site."""
        return any(member.knows(site) for member in self.members)

    @classmethod
    def of(cls, folder: Path) -> "Ensemble":
        """Load an ensemble. Raises ClassifierError, one line."""
        try:
            facts = json.loads((folder / "ensemble.json").read_text())
        except ValueError as error:
            raise ClassifierError(f"{folder}/ensemble.json: not JSON ({error})") from error
        return cls([QualityModel.load(folder / name) for name in facts["members"]], facts["by"])

    def probabilities(self, lines: list[str]) -> np.ndarray:
        """Return the members' greatest, or mean, P(reference) of lines of tokens."""
        every = np.stack([member.probabilities(lines) for member in self.members])
        return every.max(axis=0) if self.by == "max" else every.mean(axis=0)


def write_ensemble(folders: list[Path], target: Path, by: str) -> str:
    """Put classifiers together in one folder, which every command and the pipeline take for one. Returns one line.

    Raises ClassifierError where a folder holds none, or an ensemble already.
    """
    with folder_written_whole(target, "ensemble.json") as partial:
        for number, folder in enumerate(folders):
            if isinstance(QualityModel.load(folder), Ensemble):
                raise ClassifierError(f"{folder}: is an ensemble; name its members")
            shutil.copytree(folder, partial / f"{number:02d}")
        facts = {"by": by, "members": [f"{number:02d}" for number in range(len(folders))]}
        (partial / "ensemble.json").write_text(json.dumps(facts, indent=1) + "\n")
    return f"{len(folders)} classifiers by {by} in {target}"


def score_file(folder: Path, source: Path, target: Path) -> str:
    """Copy a Parquet file with a classifier's columns added (or replaced), a row group at a time. Returns one line.

    A quality classifier adds `quality`, a topic classifier `topic` and `topic_score`.
    """
    fields, judged = columns(folder)
    names, rows = [field.name for field in fields], 0
    with open_parquet(source) as file, written_whole(target) as partial:
        keep = [name for name in file.schema_arrow.names if name not in names]
        schema = pa.schema([*(file.schema_arrow.field(name) for name in keep), *fields])
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=keep)
                texts = [text or "" for text in table.column("text").to_pylist()]
                urls = table.column("url").to_pylist() if "url" in keep else [""] * len(texts)
                for field, values in zip(fields, judged(texts, urls), strict=True):
                    table = table.append_column(field.name, pa.array(values, field.type))
                writer.write_table(table.cast(schema))
                rows += len(texts)
    return f"{rows:,} pages scored into {target}"


def columns(folder: Path) -> tuple[list[pa.Field], Callable[[list[str], list[str]], list[list[Any]]]]:
    """Return the columns that a classifier adds, and what makes their values of texts and addresses."""
    if (folder / "topics.json").exists():
        topics = TopicModel.load(folder)

        def both(texts: list[str], urls: list[str]) -> list[list[Any]]:
            found = topics.topics(texts, urls)
            return [[topic for topic, _ in found], [score for _, score in found]]

        return [pa.field("topic", pa.string()), pa.field("topic_score", pa.float32())], both
    model = QualityModel.load(folder)
    return [pa.field("quality", pa.float32())], lambda texts, urls: [model.score(texts)]
