"""Split pages by site, so that a model is always tested on sites that it has not seen."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.quality.pages import LabelledPage, count_labels

SplitPart = Literal["train", "validation", "test"]
LabelCounts = tuple[int, int]  # pages with label 0 and with label 1


def limit_pages_per_site(pages: Sequence[LabelledPage], limit: int) -> list[LabelledPage]:
    """Return the first `limit` pages of each site. Without a limit a model memorises large sites."""
    taken: Counter[str] = Counter()
    limited = []
    for page in pages:
        taken[page.site_key] += 1
        if taken[page.site_key] <= limit:
            limited.append(page)
    return limited


def group_by_site(pages: Sequence[LabelledPage]) -> dict[str, list[LabelledPage]]:
    """Return the pages by site. A page without a site forms a group of its own."""
    groups: dict[str, list[LabelledPage]] = defaultdict(list)
    for page in pages:
        groups[page.site_key].append(page)
    return groups


def add_label_counts(first: LabelCounts, second: LabelCounts) -> LabelCounts:
    """Return the sum of two pairs of counts."""
    return first[0] + second[0], first[1] + second[1]


def split_by_site(
    pages: Sequence[LabelledPage], seed: int = 0, share: float = 0.15
) -> dict[SplitPart, list[LabelledPage]]:
    """Split pages into train, validation and test so that no site is in two of them.

    Sites are taken in the order of their hash. A site goes into test, or else into validation, if each class there
    then holds at most `share` of its pages. Otherwise, and so for every large site, it goes into train. If a class is
    missing in test or validation, its smallest site is moved there. Raises ClassifierError if there are too few sites.
    """
    by_site = group_by_site(pages)
    order = sorted(by_site, key=lambda name: (hash_strings(str(seed), name), name))
    counts = {name: count_labels(by_site[name]) for name in order}
    assigned = assign_sites(counts, share)
    parts: dict[SplitPart, list[LabelledPage]] = {"train": [], "validation": [], "test": []}
    for page in pages:
        parts[assigned[page.site_key]].append(page)
    check_both_classes(parts, counts)
    return parts


def assign_sites(counts: Mapping[str, LabelCounts], share: float) -> dict[str, SplitPart]:
    """Return the part of each site, given the sites in the order in which they are taken. See `split_by_site`."""
    negatives, positives = (share * sum(count[label] for count in counts.values()) for label in (0, 1))
    assigned: dict[str, SplitPart] = dict.fromkeys(counts, "train")
    held: dict[SplitPart, LabelCounts] = {"test": (0, 0), "validation": (0, 0)}
    for name, count in counts.items():
        for part in held:
            total = add_label_counts(held[part], count)
            if total[0] <= negatives and total[1] <= positives:
                assigned[name], held[part] = part, total
                break
    for part in held:
        for label in (0, 1):
            spare = [name for name in counts if assigned[name] == "train" and counts[name][label]]
            if held[part][label] or not spare:
                continue
            smallest = min(spare, key=lambda name: sum(counts[name]))
            assigned[smallest], held[part] = part, add_label_counts(held[part], counts[smallest])
    return assigned


def check_both_classes(parts: Mapping[SplitPart, Sequence[LabelledPage]], counts: Mapping[str, LabelCounts]) -> None:
    """Raise ClassifierError if a part lacks a class."""
    for part, group in parts.items():
        for label, name in ((1, "reference"), (0, "other")):
            if not any(page.label == label for page in group):
                sites = sum(1 for count in counts.values() if count[label])
                raise ClassifierError(
                    f"too few sites to split by: no {name} page for {part} ({sites} sites have such pages)"
                )


def deal_site_folds(pages: Sequence[LabelledPage], count: int, seed: int = 0) -> list[list[LabelledPage]]:
    """Deal pages into `count` folds so that no site is in two, and each fold holds about equal numbers of each class.

    Sites are dealt from the largest to the smallest, and equal ones by hash. A site goes to the fold that holds least
    of the site's classes. Raises ClassifierError if a fold would lack a class.
    """
    by_site = group_by_site(pages)
    order = sorted(by_site, key=lambda name: (-len(by_site[name]), hash_strings(str(seed), "fold", name), name))
    folds: list[list[LabelledPage]] = [[] for _ in range(count)]
    held: list[LabelCounts] = [(0, 0)] * count
    for name in order:
        added = count_labels(by_site[name])
        load = [have[0] * added[0] + have[1] * added[1] for have in held]
        least = min(range(count), key=lambda n: (load[n], sum(held[n]), n))
        folds[least] += by_site[name]
        held[least] = add_label_counts(held[least], added)
    if not all(all(have) for have in held):
        references, others = (len({page.site_key for page in pages if page.label == label}) for label in (1, 0))
        raise ClassifierError(
            f"too few sites for {count} folds: {references} have reference pages, {others} have others; give --folds 1"
        )
    return folds
