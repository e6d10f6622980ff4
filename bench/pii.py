"""Masking personal data: MB of UTF-8 text per CPU-second, on the main texts of the crawl and on text without PII."""

from statistics import median

from bench.crawl_pages import read_crawl_pages
from bench.jobs import find_crawl_files, read_own_cpu

RUNS = 5


def run(crawl: str) -> None:
    """Print the speed on the main texts, and on the same texts without digits, @ and colons."""
    from pipeline.text.pii.mask import PiiConfig, mask_pii

    texts = [page.text for page in read_crawl_pages(find_crawl_files(crawl))]
    prose = ["".join(c for c in text if not c.isdigit() and c not in "@:") for text in texts]
    print(f"{'text':24} {'MB':>6} {'MB/s':>7} {'masked':>7}   median of {RUNS}")
    for name, given in (("pages", texts), ("without digits, @ and :", prose)):
        size = sum(len(text.encode("utf-8", "replace")) for text in given) / 1e6
        speeds, masked = [], 0
        for _ in range(RUNS):
            start = read_own_cpu()
            masked = sum(sum(mask_pii(text, PiiConfig())[1].values()) for text in given)
            speeds.append(size / (read_own_cpu() - start))
        print(f"{name:24} {size:6.1f} {median(speeds):7.1f} {masked:7}", flush=True)
