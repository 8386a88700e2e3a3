#!/usr/bin/env python3
"""Writes prometheusrule.yaml, the rules as the Prometheus Operator wants them.

    rule_object.py [--print | --runbooks URL]

Change rules/cooper.rules.yml, run this, and commit both (a test compares them).
--runbooks first sets the address of docs/operate.md in the rules' runbook_url,
for example to the page in your copy of the repository.
"""

import pathlib
import re
import sys

HEADER = """\
# Written by rule_object.py from rules/cooper.rules.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cooper-server
spec:
"""
FOLDER = pathlib.Path(__file__).parent
RULES = FOLDER / "rules/cooper.rules.yml"


def rule_object(text):
    body = text[text.index("groups:"):]
    return HEADER + "".join(
        f"  {line}" if line.strip() else line
        for line in body.splitlines(keepends=True))


def with_runbooks(text, page):
    """The rules with `page` as the address of the runbooks."""
    return re.sub(r"(runbook_url: )[^#\s]+#", lambda m: f"{m[1]}{page}#", text)


def main(arguments):
    text = RULES.read_text()
    if arguments == ["--print"]:
        sys.stdout.write(rule_object(text))
        return
    if arguments:
        option, page = arguments
        if option != "--runbooks" or not page.startswith("https://"):
            sys.exit("usage: rule_object.py [--print | --runbooks https://...]")
        text = with_runbooks(text, page)
        RULES.write_text(text)
    (FOLDER / "prometheusrule.yaml").write_text(rule_object(text))


if __name__ == "__main__":
    main(sys.argv[1:])
