# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py DIRECTORY JSON SCENARIO...: what the results say

Medians of each contender; ratios are formed within each round, and the median
of those is held against the goal.
"""
import json
import os
import platform
import re
import statistics
import sys


def read_results(path):
    """scenario -> contender -> round -> value; and units, memory, bytes."""
    runs, facts = {}, {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            scenario, turn, name, value, unit, peak, size = line.rstrip(
                "\n").split("\t")
            runs.setdefault(scenario, {}).setdefault(name, {})[
                int(turn)] = float(value)
            fact = facts.setdefault((scenario, name), {"unit": unit})
            if peak:
                fact["peak"] = max(fact.get("peak", 0), int(peak))
            if size:
                fact["bytes"] = int(size)
    return runs, facts


def judge(goal, contenders):
    """The median ratio of a goal such as 'peer / ours >= 5', and if it is
    reached; None where a contender did not take part."""
    left, sign, right = re.fullmatch(r"(.*?) (<=|>=) ([0-9.]+)", goal).groups()
    names = set(re.findall(r"[a-z_][a-z_0-9]*", left)) - {"max", "min"}
    if not names <= contenders.keys():
        return None
    turns = set.intersection(*(set(contenders[n]) for n in names))
    ratio = statistics.median(
        eval(left, {"__builtins__": {}, "max": max, "min": min},
             {n: contenders[n][t] for n in names}) for t in turns)
    reached = ratio <= float(right) if sign == "<=" else ratio >= float(right)
    return {"goal": goal, "ratio": round(ratio, 3), "reached": reached}


def lines_of(path):
    with open(path, encoding="utf-8") as lines:
        return [line for line in lines.read().split("\n") if line]


def summarise(where, scenario, contenders, facts):
    rows = {}
    for name, turns in contenders.items():
        values = list(turns.values())
        row = dict(facts[scenario, name])
        row.update(median=statistics.median(values), least=min(values),
                   most=max(values), values=values)
        if "bytes" in row and row["unit"] == "s":
            row["mb_per_s"] = round(row["bytes"] / row["median"] / 1e6)
        rows[name] = row
    goals = [judge(g, contenders)
             for g in lines_of(f"{where}/goals.{scenario}")]
    return {"about": " ".join(lines_of(f"{where}/about.{scenario}")),
            "contenders": rows, "goals": [g for g in goals if g]}


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def print_table(name, part):
    print(f"\n{name}: {part['about']}")
    print(f"  {'':14}{'median':>12}{'least':>10}{'most':>10}"
          f"{'MB/s':>8}{'MiB peak':>10}")
    for who, row in part["contenders"].items():
        print(f"  {who:14}{number(row['median']) + ' ' + row['unit']:>12}"
              f"{number(row['least']):>10}{number(row['most']):>10}"
              f"{row.get('mb_per_s', ''):>8}"
              f"{row['peak'] // 1024 if 'peak' in row else '':>10}")
    for goal in part["goals"]:
        print(f"  {'reached' if goal['reached'] else 'missed':8} "
              f"{goal['goal']}: {goal['ratio']:.2f}")


def advice(parts, cores):
    """What to expect here, and why not more."""
    said = [f"{cores} cores"]
    full = parts.get("full", {}).get("contenders", {})
    if {"ours", "read", "write"} <= full.keys():
        slower = max(("read", "write"), key=lambda n: full[n]["median"])
        what = {"read": "what QEMU gives", "write": "what the target takes"}
        said.append(f"{full['ours']['mb_per_s']} MB/s of data uncompressed, "
                    f"limited by {what[slower]} "
                    f"({full[slower]['mb_per_s']} MB/s)")
    lz4 = parts.get("lz4", {}).get("contenders", {})
    if "ours" in lz4:
        said.append(f"{lz4['ours']['mb_per_s']} MB/s with lz4, "
                    f"{lz4['ours']['mb_per_s'] // cores} a core")
    if len(said) == 1:
        return None
    return "Expect here: " + "; ".join(said) + "."


def main():
    where, out, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    runs, facts = read_results(f"{where}/results")
    cores = len(os.sched_getaffinity(0))
    parts = {n: summarise(where, n, runs[n], facts) for n in names if n in runs}
    for name, part in parts.items():
        print_table(name, part)
    line = advice(parts, cores)
    if line:
        print("\n" + line)
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"cores": cores, "kernel": platform.release(),
                   "scenarios": parts, "expect": line}, file, indent=2)
        file.write("\n")


main()
