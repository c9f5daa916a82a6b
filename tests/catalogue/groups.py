"""All groups of cases, in the order of the page."""

from catalogue import (
    checkpoints,
    configuration,
    data,
    disk,
    exports,
    predicting,
    recorded,
    tables,
    weights,
)
from catalogue.case import Case

GROUPS: dict[str, list[Case]] = {
    module.TITLE: module.CASES
    for module in (
        configuration, data, weights, checkpoints, predicting, tables, exports, recorded, disk,
    )
}  # fmt: skip
