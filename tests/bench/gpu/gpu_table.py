"""What a run of gpu-check measured: one table and one JSON document.

Rows are those of gpu_bench's JSON lines (report.h), those of the runner have
the same keys.
"""

import datetime
import json


def number(value):
    """Four digits, without an exponent where that is readable."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return f"{value:.3g}"


class Results:
    """Collects facts, rows and the state of each part; writes them to files.

    results.json and table.txt, table.md are whole after each call of `write`,
    so that a run that is killed leaves what it had.
    """

    def __init__(self, folder):
        self.folder = folder
        self.facts = {}
        self.parts = []  # {"name", "state", "seconds", "reason"}
        self.rows = []
        self.date = datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds")

    def add_line(self, line):
        """Takes one object of gpu_bench's; returns it."""
        if "fact" in line:
            self.facts[line["fact"]] = line["value"]
        elif "name" in line:
            self.rows.append(line)
        return line

    def add_row(self, part, name, value, unit, **more):
        row = {"part": part, "name": name, "conditions": "", "value": value,
               "unit": unit, **more}
        if "goal" in row:
            row["ok"] = (value >= row["goal"] if row.get("at_least") else
                         value <= row["goal"])
        self.rows.append(row)

    def end_part(self, name, ok, seconds, reason=""):
        """`ok` None: the part was left out."""
        state = {True: "passed", False: "failed", None: "left out"}[ok]
        self.parts.append({"name": name, "state": state,
                           "seconds": round(seconds, 1), "reason": reason})
        self.write()

    def passed(self):
        return bool(self.parts) and all(
            part["state"] == "passed" for part in self.parts)

    def document(self):
        return {"gpu": self.facts.get("gpu", self.facts.get("device")),
                "date": self.date, "torch": self.facts.get("torch"),
                "facts": self.facts, "parts": self.parts, "rows": self.rows}

    def write(self):
        files = {"results.json": json.dumps(self.document(), indent=1),
                 "table.txt": self.text(), "table.md": self.markdown()}
        for name, text in files.items():
            partial = self.folder / (name + ".part")
            partial.write_text(text + "\n")
            partial.replace(self.folder / name)

    def groups(self):
        """Rows that follow each other under the same conditions."""
        groups = []
        for row in self.rows:
            key = (row["part"], row.get("conditions", ""))
            if not groups or groups[-1][0] != key:
                groups.append((key, []))
            groups[-1][1].append(row)
        return groups

    def summary(self):
        judged = [row for row in self.rows if "ok" in row]
        missed = sum(not row["ok"] for row in judged)
        counts = {state: sum(part["state"] == state for part in self.parts)
                  for state in ("passed", "failed", "left out")}
        return (f"{counts['passed']} parts passed, {counts['failed']} failed, "
                f"{counts['left out']} left out; {len(judged) - missed} goals "
                f"met, {missed} missed")

    def text(self):
        width = max([len(row["name"]) for row in self.rows], default=10)
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        lines += ["", f"{'':{width}}  {'measured':>10} {'':8} {'floor':>10} "
                  f"{'ratio':>7}  goal"]
        for (part, conditions), rows in self.groups():
            lines.append(f"-- {part}{': ' if conditions else ''}{conditions}")
            lines += [line_of(row, width) for row in rows]
        lines.append("")
        for part in self.parts:
            lines.append(f"{part['state']:8}  {part['name']} "
                         f"({part['seconds']} s) {part['reason']}".rstrip())
        return "\n".join(lines + [self.summary()])

    def markdown(self):
        lines = [f"{self.document()['gpu']}, torch {self.facts.get('torch')}, "
                 f"{self.date}", "",
                 "| row | conditions | measured | floor | ratio | goal | |",
                 "|---|---|---|---|---|---|---|"]
        for row in self.rows:
            lines.append("| " + " | ".join(
                [row["name"], row.get("conditions", "")] + cells(row)) + " |")
        return "\n".join(lines + ["", self.summary()])


def cells(row):
    """Measured, floor, ratio, goal, verdict."""
    if "skipped" in row:
        return [f"skipped: {row['skipped']}", "", "", "", ""]
    goal = ""
    if "goal" in row:
        goal = f"{'>=' if row.get('at_least') else '<='} {number(row['goal'])}"
    return [f"{number(row['value'])} {row['unit']}".strip(),
            number(row["floor"]) if "floor" in row else "",
            f"{row['ratio']:.2f}" if "ratio" in row else "", goal,
            "" if "ok" not in row else "ok" if row["ok"] else "MISSED"]


def line_of(row, width):
    if "skipped" in row:
        return f"{row['name']:{width}}  skipped: {row['skipped']}"
    _, floor, ratio, goal, verdict = cells(row)
    return (f"{row['name']:{width}}  {number(row['value']):>10} "
            f"{row['unit']:8} {floor:>10} {ratio:>7}  {goal:9} "
            f"{verdict}").rstrip()
