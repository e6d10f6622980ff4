"""Which corpus trains the better model? The same small GPT on each, with equal tokens and several seeds.

output: out/ablation
arms: {raw: out-raw, filtered: out-filtered}
texts: [wikitext.txt, novel.txt]
train: {steps: 2000, model: {depth: 4}}

The study checks itself with arms of its own: two halves of the first corpus, which must not differ (each seed divides
it anew), and the first corpus with its words shuffled, which must be worse. The first arm is trained on half of the
tokens, too; so the study knows what a difference is worth in compute.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from model.config_reader import build_trainer_config
from model.data import open_corpus
from model.evaluation.text_loss import add_scores, score_files
from model.file_writing import replace_file
from model.run_folder import load_trained_run, read_training_log
from model.studies.ablation_study import (
    BAD_ARM,
    HALF_ARM,
    NULL_ARMS,
    OWN_ARMS,
    SEEDS,
    AblationStudy,
    ArmResult,
    check_study,
    summarize_seeds,
)
from model.studies.cheap_ablation import score_arms_by_ngrams
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


@dataclass(frozen=True)
class AblationReport:
    """The study's result as Markdown, and what makes it worthless, a line each."""

    text: str
    faults: list[str]


def run_ablation(study: AblationStudy, cheap: bool = False) -> AblationReport:
    """Score every arm with every seed; write results.json and results.png; return the report.

    The scores are those of a GPT. If `cheap`, they are those of n-gram models, and the files are cheap.json and
    cheap.png. Runs that are complete are not repeated. Raises TrainerError for a study that compares
    nothing, and what training and evaluation raise.
    """
    check_study(study, cheap)
    results = score_arms_by_ngrams(study) if cheap else train_arms(study)
    compared = compare_arms(results)
    faults = find_faults(compared)
    comparisons = {name: asdict(one) for name, one in compared.items()}
    arms = {name: asdict(result) for name, result in results.items()}
    values = {"texts": study.texts, "arms": arms, "comparisons": comparisons, "faults": faults}
    content, folder = json.dumps(values, indent=1) + "\n", Path(study.output)
    name = "cheap" if cheap else "results"
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / f"{name}.json", lambda file: file.write(content.encode()))
    plot_differences(compared, folder / f"{name}.png")
    return AblationReport(format_ablation(results, compared), faults)


def train_arms(study: AblationStudy) -> dict[str, ArmResult]:
    """Return the scores of a GPT on every arm, those of the study's own included."""
    corpora = prepare_arms(study)
    results = {name: train_arm(study, name, corpus) for name, corpus in corpora.items()}
    if study.compute_multiplier:
        results[HALF_ARM] = train_arm(study, HALF_ARM, corpora[next(iter(study.arms))])
    return results


def prepare_arms(study: AblationStudy) -> dict[str, dict[int, PreparedCorpus]]:
    """Return the corpus of each arm for each seed, those of the study's own included."""
    overlap = TextOverlap(read_scored_texts(study.texts)) if study.remove_overlaps else None
    folder, base, seeds = Path(study.output) / "corpora", next(iter(study.arms.values())), study.seeds or SEEDS
    whole = {
        name: prepare_corpus(data, folder / name, overlap, None) if overlap else PreparedCorpus(data, 0, 0)
        for name, data in study.arms.items()
    }
    if study.bad_arm:
        whole[BAD_ARM] = prepare_corpus(base, folder / BAD_ARM, overlap, shuffle_words)
    arms = {name: dict.fromkeys(seeds, corpus) for name, corpus in whole.items()}
    if study.null_arms:
        for parity, name in enumerate(NULL_ARMS):
            arms[name] = {
                seed: prepare_corpus(base, folder / f"{name}-{seed}", overlap, take_half(parity, seed))
                for seed in seeds
            }
    return arms


def train_arm(study: AblationStudy, name: str, corpora: Mapping[int, PreparedCorpus]) -> ArmResult:
    """Train and score one arm with every seed."""
    tokenizer = study.tokenizer or str(Path(next(iter(study.arms.values()))) / "tokenizer" / "tokenizer.json")
    train = dict(study.train)
    if name == HALF_ARM:
        train["steps"] = max(1, int(str(train["steps"])) // 2)
    totals, files, tokens = {}, [], 0
    for seed, corpus in corpora.items():
        keys = {"data": corpus.folder, "output": f"{study.output}/{name}-{seed}", "seed": seed, "tokenizer": tokenizer}
        config = build_trainer_config({**train, **keys})
        run = load_trained_run(train_gpt(config))
        scores = score_files(run, [Path(text) for text in study.texts])
        totals[seed] = add_scores(scores).bits_per_byte
        files.append({path: score.bits_per_byte for path, score in scores.items()})
        tokens = int(read_training_log(Path(config.output))[-1]["tokens"])
    with closing(open_corpus(config)) as opened:
        epochs = tokens / opened.train.count_tokens()
    return summarize_seeds(totals, files, tokens, epochs, corpus.overlapping)


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
