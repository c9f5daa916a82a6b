"""The HTML page: a template filled with a report's content, in one file without references."""

from __future__ import annotations

import base64
import hashlib
import time
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fcn_lightning.launch.status import duration
from fcn_lightning.report.content import Content
from fcn_lightning.tables.columns import percent

HERE = Path(__file__).parent


def render(content: Content) -> str:
    """Return the page. All text is escaped; a policy in the page forbids every request."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration, "gib": _gib}
    script = (HERE / "sort.js").read_text()
    return environment.get_template("page.html.j2").render(
        content=content,
        style=(HERE / "style.css").read_text(),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        most_variants=max(
            (len(head.titles) for s in content.sections for head in s.heads), default=0
        ),
        made=time.strftime("%Y-%m-%d"),
        version=version("fcn-lightning"),
    )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"
