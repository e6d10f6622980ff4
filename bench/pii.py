"""How fast PII is masked, in MB of UTF-8 text per CPU-second: the crawl's main texts, and prose that holds none."""

from bench.jobs import crawl_files, median, own_cpu

RUNS = 5


def run(crawl: str) -> None:
    """Print the speed on the main texts (resiliparse) of the pages, and on the same without what PII is made of."""
    from pipeline.html.charset import decode_body
    from pipeline.html.engines import load_engine
    from pipeline.html.http import parse_response
    from pipeline.text.pii import PiiConfig, mask_pii
    from pipeline.warc.reader import CrawlRecord, read_crawl_records

    engine, texts = load_engine("resiliparse"), []
    for path in crawl_files(crawl):
        with open(path, "rb") as source:
            for record in read_crawl_records(source):
                if isinstance(record, CrawlRecord) and record.type == "response":
                    response = parse_response(record.block)
                    texts.append(
                        engine(decode_body(response.body, response.header("content-type"))[0], record.url).text
                    )
    prose = ["".join(c for c in text if not c.isdigit() and c not in "@:") for text in texts]
    print(f"{'text':24} {'MB':>6} {'MB/s':>7} {'masked':>7}   median of {RUNS}")
    for name, given in (("pages", texts), ("without digits, @ and :", prose)):
        size = sum(len(text.encode("utf-8", "replace")) for text in given) / 1e6
        speeds, masked = [], 0
        for _ in range(RUNS):
            start = own_cpu()
            masked = sum(sum(mask_pii(text, PiiConfig())[1].values()) for text in given)
            speeds.append(size / (own_cpu() - start))
        print(f"{name:24} {size:6.1f} {median(speeds):7.1f} {masked:7}", flush=True)
