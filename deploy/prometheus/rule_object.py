#!/usr/bin/env python3
"""Writes prometheusrule.yaml, the rules as the Prometheus Operator wants them.

Change rules/cooper.rules.yml, run this, and commit both (a test compares them).
"""

import pathlib
import sys

HEADER = """\
# Written by rule_object.py from rules/cooper.rules.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cooper-server
spec:
"""


def rule_object():
    rules = pathlib.Path(__file__).with_name("rules") / "cooper.rules.yml"
    text = rules.read_text()
    body = text[text.index("groups:"):]
    return HEADER + "".join(
        f"  {line}" if line.strip() else line
        for line in body.splitlines(keepends=True))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(rule_object())
    else:
        pathlib.Path(__file__).with_name("prometheusrule.yaml").write_text(
            rule_object())
