# SPDX-License-Identifier: LGPL-2.1-or-later
"""latency.py LOG FROM: what qemu-io reported of writes in QEMU's log

From byte FROM of the log on: the median and the 99th percentile of the writes'
milliseconds, and how many a second they are, one after the other (1 / mean; the
time between two of them is the monitor's, not the guest's).  A report says how
many of such operations would fit a second, which is more precise than the
seconds it says.
"""
import re
import statistics
import sys

with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
    log.seek(int(sys.argv[2]))
    text = log.read()
rates = [float(r) for r in re.findall(r"1 ops; .* and ([0-9.]+) ops/sec", text)]
if len(rates) < 100:
    sys.exit(f"only {len(rates)} writes were reported")
times = sorted(1000 / r for r in rates)
print(round(statistics.median(times), 4),
      round(times[len(times) * 99 // 100], 4),
      round(1000 / statistics.mean(times)))
