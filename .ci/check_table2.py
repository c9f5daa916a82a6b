"""Reads Table 2 as JSON and fails unless each skip wins what it must on the embedded data."""

from __future__ import annotations

import json
import sys

LEAST = [("fcn32s_fixed", "fcn32s", 0.10), ("fcn32s", "fcn16s", 0.03), ("fcn16s", "fcn8s", 0.03)]

mean_iu = {row["id"]: row["ours"]["mean_iu"] for row in json.load(sys.stdin)}
for coarse, fine, least in LEAST:
    gain = mean_iu[fine] - mean_iu[coarse]
    sys.stdout.write(f"{fine} is {100 * gain:.1f} points of mean IU ahead of {coarse}\n")
    if gain < least:
        sys.exit(f"{fine} must be at least {100 * least:.0f} points ahead of {coarse}.")
