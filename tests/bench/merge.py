"""Joins the results of several benchmark programs and prints one table.

    merge.py [--json FILE] RESULT...
"""

import argparse
import json
import pathlib
import sys

KEYS = ("name", "value", "goal", "ceiling", "unit", "ok")


def table(rows):
    """The rows as lines of text."""
    width = max(len(row["name"]) for row in rows)
    lines = [f"{'measure':{width}}  {'value':>10}  {'goal':>11}  "
             f"{'unit':6} {'':6}  ceiling beside it"]
    for row in rows:
        sign = ">=" if row["at_least"] else "<="
        lines.append(
            f"{row['name']:{width}}  {row['value']:>10.5g}  "
            f"{sign} {row['goal']:>8.5g}  {row['unit']:6} "
            f"{'ok' if row['ok'] else 'MISSED':6}  "
            f"{row['ceiling']:.4g} {row['ceiling_unit']}")
    return lines


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    options = parser.parse_args(arguments)
    rows = []
    for path in options.results:
        rows += json.loads(path.read_text())["results"]
    print("\n".join(table(rows)))
    if options.json:
        results = [{key: row[key] for key in KEYS} for row in rows]
        pathlib.Path(options.json).write_text(
            json.dumps({"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
