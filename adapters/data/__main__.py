"""``python -m adapters.data build [--out DIR] [--seed N] [--limit N]`` writes the data; ``report`` measures it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from adapters.data.build import DEFAULT, SIZES, build
from adapters.data.report import measured, printed


def main(arguments: list[str] | None = None) -> int:
    """The command line. Exit 0; 2 for a folder that cannot be read or written."""
    parser = argparse.ArgumentParser(prog="python -m adapters.data", description="The models' training data.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("build", help="write all training data")
    making.add_argument("--out", type=Path, default=DEFAULT, help=f"folder (default: {DEFAULT})")
    making.add_argument("--seed", type=int, default=0, help="another seed draws other turns and states (default: 0)")
    making.add_argument("--limit", type=int, metavar="N", help=f"moments (default: {SIZES.moments}); scales the rest")
    telling = commands.add_parser("report", help="measure the data: sizes, variety, near-duplicates, what the guard refused")
    telling.add_argument("--data", type=Path, default=DEFAULT, help=f"folder of a build (default: {DEFAULT})")
    telling.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args(arguments)
    if options.command == "build" and options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")
    try:
        if options.command == "build":
            manifest = build(options.out, options.seed, options.limit)
            rows = sum(manifest["rows"].values())
            digest = manifest["digests"]["all"][:16]
            print(f"{rows:,} rows in {options.out}, digest {digest}, {manifest['cpu_seconds']:.0f} s of CPU")
        else:
            found = measured(options.data)
            print(json.dumps(found, indent=1, ensure_ascii=False) if options.json else printed(found))
    except OSError as error:
        print(f"{error.filename or options}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
