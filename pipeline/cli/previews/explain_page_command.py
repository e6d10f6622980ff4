"""`gristmill explain-page URL|FILE`: show one page's blocks, their scores and what is kept, as HTML."""

import argparse
from pathlib import Path

from pipeline.cli.errors import print_error

OBJECTIVES = ("balanced", "precision", "recall")
DEFAULT_OUTPUT = "explained.html"


def add_explain_page_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "the blocks of one page, their scores, and what is kept"
    parser = commands.add_parser("explain-page", help=text, description=text)
    parser.add_argument("source", metavar="URL|FILE", help="an http(s) address, or an HTML file")
    parser.add_argument(
        "--output", metavar="FILE", default=DEFAULT_OUTPUT, help=f"where to write it (default: {DEFAULT_OUTPUT})"
    )
    parser.add_argument("--objective", choices=OBJECTIVES, default="balanced", help="as extract.objective")
    parser.add_argument("--threshold", type=float, metavar="T", help="as extract.threshold, from 0 to 1")
    parser.set_defaults(execute=run_explain_page, beam=False)


def run_explain_page(args: argparse.Namespace, flags: list[str]) -> int:
    """Write the page. Returns the exit code."""
    from pipeline.html.engines import EngineOptions
    from pipeline.report.explain_page import ExplainError, render_page_explanation

    threshold = EngineOptions().threshold if args.threshold is None else args.threshold
    if not 0 <= threshold <= 1:
        return print_error(f"--threshold {args.threshold}: must be from 0 to 1", 2)
    try:
        shown, summary = render_page_explanation(args.source, args.objective, threshold)
        Path(args.output).write_text(shown, encoding="utf-8")
    except (ExplainError, OSError) as error:
        return print_error(error, 1)
    print(f"{args.output}: {summary}")
    return 0
