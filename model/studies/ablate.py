"""Which corpus trains the better model? The same small GPT on each, with equal tokens and several seeds.

output: out/ablation
arms: {raw: out-raw, filtered: out-filtered}
texts: [wikitext.txt, novel.txt]
train: {steps: 2000, model: {depth: 4}}

The study checks itself with arms of its own: two halves of the first corpus, which must not differ, and the first
corpus with its words shuffled, which must be worse. The first arm is trained on half of the tokens, too; so the study
knows what a difference is worth in compute.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, field
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from model.config import FORBID_EXTRA_KEYS, JsonObject, TrainerError
from model.config_reader import build_trainer_config
from model.data import open_corpus
from model.evaluation.text_loss import add_scores, score_files
from model.file_writing import replace_file
from model.run_folder import load_trained_run, read_training_log
from model.studies.paired_comparison import FEW_SEEDS, PairedComparison, compare_pairs, find_compute_multiplier
from model.studies.study_arms import (
    PreparedCorpus,
    TextOverlap,
    prepare_corpus,
    read_scored_texts,
    shuffle_words,
    take_half,
)
from model.train import train_gpt

MAXIMUM_EPOCHS = 4.0  # tokens that are repeated more often are worth less (Muennighoff et al. 2023)
NULL_ARMS = ("null-a", "null-b")
BAD_ARM, HALF_ARM = "shuffled", "half"
OWN_ARMS = (*NULL_ARMS, BAD_ARM, HALF_ARM)


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class AblationStudy:
    """The study's keys."""

    output: str
    arms: dict[str, str]  # name -> data; the others are compared with the first
    texts: list[str]  # UTF-8 files that are not part of any arm
    tokenizer: str | None = None  # one for all arms; null: the first arm's
    seeds: Annotated[list[int], Field(min_length=1)] = field(default_factory=lambda: [0, 1, 2])
    remove_overlaps: bool = True  # documents that share 13 words in a row with a text are left out of all arms
    null_arms: bool = True  # two halves of the first arm: the study fails where they differ
    bad_arm: bool = True  # the first arm with shuffled words: the study fails where it is not worse
    compute_multiplier: bool = True  # the first arm with half of the steps, to tell what a difference is worth
    train: JsonObject = field(default_factory=dict)  # the trainer's keys except data, output, seed and tokenizer


@plain_dataclass(frozen=True)
class ArmResult:
    """The scores of one arm, in bits per byte."""

    bits_per_byte: float  # mean over the seeds
    deviation: float | None  # standard deviation over the seeds; None for one seed
    seeds: dict[str, float]
    files: dict[str, float]  # mean over the seeds, text by text
    tokens: int  # trained on, a seed
    epochs: float  # passes over the arm's tokens
    overlapping: int = 0  # documents left out because they overlap with a text

    def scores(self) -> list[float]:
        """Return the scores in the order of the seeds."""
        return list(self.seeds.values())


@plain_dataclass(frozen=True)
class AblationReport:
    """The study's result as Markdown, and what makes it worthless, a line each."""

    text: str
    faults: list[str]


def run_ablation(study: AblationStudy) -> AblationReport:
    """Train and score every arm with every seed; write results.json and results.png; return the report.

    Runs that are complete are not repeated. Raises TrainerError for a study that compares nothing, and what training
    and evaluation raise.
    """
    check_study(study)
    corpora = prepare_arms(study)
    results = {name: run_arm(study, name, corpus) for name, corpus in corpora.items()}
    if study.compute_multiplier:
        results[HALF_ARM] = run_arm(study, HALF_ARM, corpora[next(iter(study.arms))])
    compared = compare_arms(results)
    faults = find_faults(compared)
    comparisons = {name: asdict(one) for name, one in compared.items()}
    arms = {name: asdict(result) for name, result in results.items()}
    values = {"texts": study.texts, "arms": arms, "comparisons": comparisons, "faults": faults}
    content = json.dumps(values, indent=1) + "\n"
    replace_file(Path(study.output) / "results.json", lambda file: file.write(content.encode()))
    plot_differences(compared, Path(study.output) / "results.png")
    return AblationReport(format_ablation(results, compared), faults)


def check_study(study: AblationStudy) -> None:
    """Raise TrainerError for a study that compares nothing or has names that are the study's own."""
    if len(study.arms) < 2 or "steps" not in study.train:
        raise TrainerError("arms, train.steps: an ablation needs at least two arms, and equal steps for all")
    reject_study_keys(study.train, ("data", "output", "seed", "tokenizer"))
    for name in OWN_ARMS:
        if name in study.arms:
            raise TrainerError(f"arms: {name}: the study has an arm of this name; choose another")
    if not study.texts or not all(Path(text).is_file() for text in study.texts):
        raise TrainerError(f"texts: give files that exist, not {study.texts}")


def prepare_arms(study: AblationStudy) -> dict[str, PreparedCorpus]:
    """Return the corpus of each arm, those of the study's own included."""
    overlap = TextOverlap(read_scored_texts(study.texts)) if study.remove_overlaps else None
    folder, base = Path(study.output) / "corpora", next(iter(study.arms.values()))
    arms = {
        name: prepare_corpus(data, folder / name, overlap, None) if overlap else PreparedCorpus(data, 0, 0)
        for name, data in study.arms.items()
    }
    if study.null_arms:
        for parity, name in enumerate(NULL_ARMS):
            arms[name] = prepare_corpus(base, folder / name, overlap, take_half(parity))
    if study.bad_arm:
        arms[BAD_ARM] = prepare_corpus(base, folder / BAD_ARM, overlap, shuffle_words)
    return arms


def run_arm(study: AblationStudy, name: str, corpus: PreparedCorpus) -> ArmResult:
    """Train and score one arm with every seed."""
    tokenizer = study.tokenizer or str(Path(next(iter(study.arms.values()))) / "tokenizer" / "tokenizer.json")
    train = dict(study.train)
    if name == HALF_ARM:
        train["steps"] = max(1, int(str(train["steps"])) // 2)
    totals, by_text, tokens = [], [], 0
    for seed in study.seeds:
        keys = {"data": corpus.folder, "output": f"{study.output}/{name}-{seed}", "seed": seed, "tokenizer": tokenizer}
        config = build_trainer_config({**train, **keys})
        run = load_trained_run(train_gpt(config))
        scores = score_files(run, [Path(text) for text in study.texts])
        totals.append(add_scores(scores).bits_per_byte)
        by_text.append({path: score.bits_per_byte for path, score in scores.items()})
        tokens = int(read_training_log(Path(config.output))[-1]["tokens"])
    with closing(open_corpus(config)) as opened:
        available = opened.train.count_tokens()
    return ArmResult(
        bits_per_byte=fmean(totals),
        deviation=stdev(totals) if len(totals) > 1 else None,
        seeds=dict(zip(map(str, study.seeds), totals, strict=True)),
        files={path: fmean(one[path] for one in by_text) for path in by_text[0]},
        tokens=tokens,
        epochs=tokens / available,
        overlapping=corpus.overlapping,
    )


def reject_study_keys(train: JsonObject, own: tuple[str, ...]) -> None:
    """Raise TrainerError if the trainer's keys contain one that the study sets itself."""
    for key in own:
        if key in train:
            raise TrainerError(f"train.{key}: the study sets it; leave it out")


def compare_arms(results: Mapping[str, ArmResult]) -> dict[str, PairedComparison]:
    """Return the comparison of each arm with the first; of the second half of the first corpus with its first half."""
    base, *others = results
    compared = {
        name: compare_pairs(results[base].scores(), results[name].scores())
        for name in others
        if name not in (*NULL_ARMS, HALF_ARM)
    }
    if set(NULL_ARMS) <= set(results):
        compared[NULL_ARMS[1]] = compare_pairs(*(results[name].scores() for name in NULL_ARMS))
    return compared


def find_faults(compared: Mapping[str, PairedComparison]) -> list[str]:
    """Return why the study cannot be trusted, a line each; [] where it can."""
    faults = []
    null, bad = compared.get(NULL_ARMS[1]), compared.get(BAD_ARM)
    if null and null.is_shown:
        faults.append(
            f"two halves of one corpus differ by {null.difference:+.4f} bits per byte (p = {null.p_value:.3f}); "
            "take more seeds or more steps"
        )
    if bad and (bad.difference <= 0 or (bad.p_value is not None and not bad.is_shown)):
        faults.append("the corpus with shuffled words is not shown to be worse; take more seeds or more steps")
    return faults


def format_ablation(results: Mapping[str, ArmResult], compared: Mapping[str, PairedComparison]) -> str:
    """Return the arms as Markdown: a table, a verdict on each arm, and the texts one by one."""
    base = next(iter(results))
    lines = ["| arm | bits per byte | difference | 95 % interval | p | sigma | epochs | left out |"]
    lines.append("|---" * 8 + "|")
    for name, arm in results.items():
        spread = "" if arm.deviation is None else f" ± {arm.deviation:.4f}"
        warning = " (too many to compare)" if arm.epochs > MAXIMUM_EPOCHS else ""
        cells = [name, f"{arm.bits_per_byte:.4f}{spread}", *format_comparison(compared.get(name))]
        lines.append("| " + " | ".join([*cells, f"{arm.epochs:.2f}{warning}", str(arm.overlapping)]) + " |")
    lines += ["", *(describe_arm(name, base, results, compared[name]) for name in compared if name not in OWN_ARMS)]
    if 1 < len(results[base].seeds) < FEW_SEEDS:
        lines.append(f"Few seeds ({len(results[base].seeds)}): the intervals rest on normal differences.")
    shown = [name for name in results if name not in (*NULL_ARMS, HALF_ARM)]
    lines += ["", f"| text | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    for path in results[base].files:
        lines.append(f"| {Path(path).name} | {' | '.join(f'{results[name].files[path]:.4f}' for name in shown)} |")
    return "\n".join(lines)


def format_comparison(compared: PairedComparison | None) -> list[str]:
    """Return the cells of a comparison; empty ones where there is none."""
    if compared is None:
        return [""] * 4
    if compared.p_value is None or compared.low is None or compared.high is None or compared.sigma is None:
        return [f"{compared.difference:+.4f}", "", "", ""]
    interval = f"{compared.low:+.4f} to {compared.high:+.4f}"
    return [f"{compared.difference:+.4f}", interval, f"{compared.p_value:.3f}", f"{compared.sigma:+.1f}"]


def describe_arm(name: str, base: str, results: Mapping[str, ArmResult], compared: PairedComparison) -> str:
    """Return the verdict on one arm as a sentence."""
    if compared.p_value is None:
        return f"{name}: no verdict with one seed."
    if not compared.is_shown:
        return f"{name}: no difference to {base} is shown."
    first = results[base].bits_per_byte
    share = 100 * abs(compared.difference) / first
    verdict = f"{name}: {'better' if compared.difference < 0 else 'worse'} than {base} by {share:.1f} %."
    half = results.get(HALF_ARM)
    worth = half and find_compute_multiplier(half.bits_per_byte, first, results[name].bits_per_byte)
    return f"{verdict} {base} would need {worth:.2f} times the compute for the same loss." if worth else verdict


def plot_differences(compared: Mapping[str, PairedComparison], path: Path) -> None:
    """Draw each arm's difference with its interval as a PNG; the same results give the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.5 * len(compared)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for row, one in enumerate(compared.values()):
        reach = 0.0 if one.high is None else one.high - one.difference
        color = "tab:gray" if not one.is_shown else "tab:green" if one.difference < 0 else "tab:red"
        axes.errorbar([one.difference], [row], xerr=[reach], fmt="o", capsize=4, color=color)
    axes.set_yticks(range(len(compared)), list(compared))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="bits per byte, difference to the first arm (left is better), 95 % interval")
    axes.grid(alpha=0.3, axis="x")
    replace_file(path, lambda file: figure.savefig(file, format="png"))
