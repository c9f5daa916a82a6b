"""The specification of a saved view without ids, layouts and defaults, short enough to read."""

from __future__ import annotations

from typing import Any


def sections(workspace: dict[str, Any]) -> dict[str, list[list[str]]]:
    """The panels of a workspace by section."""
    found = workspace["section"]["panelBankConfig"]["sections"]
    return {section["name"]: [panel(each) for each in section["panels"]] for section in found}


def blocks(report: dict[str, Any]) -> list[Any]:
    """The headings of a report, and its run sets and panels; texts are left out."""
    found: list[Any] = []
    for block in report["blocks"]:
        if block["type"] == "heading":
            found.append(block["children"][0]["text"])
        if block["type"] == "panel-grid":
            grid = block["metadata"]
            found.append({run_set["name"]: filters(run_set) for run_set in grid["runSets"]})
            found.append([panel(each) for each in grid["panelBankSectionConfig"]["panels"]])
    return found


def filters(run_set: dict[str, Any]) -> dict[str, Any]:
    """The values that a run set's filters ask for, and the key by which its runs are grouped."""
    wanted = {each["key"]["name"]: each["value"] for each in run_set["filters"]["filters"]}
    assert all(each["op"] == "=" for each in run_set["filters"]["filters"])
    return {**wanted, "grouped by": [each["name"] for each in run_set["grouping"]]}


def panel(spec: dict[str, Any]) -> list[str]:
    """The kind of a panel, what it shows, and the axis; plots have a band over a group's runs."""
    config = spec["config"]
    if "metrics" not in config:
        return [spec["viewType"], *config.get("mediaKeys", [])]
    assert (config["groupAgg"], config["groupArea"]) == ("mean", "minmax")
    shown = [config["metricRegex"]] if "metricRegex" in config else config["metrics"]
    return [spec["viewType"], *shown, *([f"over {config['xAxis']}"] if "xAxis" in config else [])]
