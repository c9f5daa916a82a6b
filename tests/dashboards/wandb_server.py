"""A server on this machine that answers the GraphQL requests of `fcn dashboard` as W&B does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Account:
    """An account with one project: the views saved in it, and the log of all requests.

    Attributes:
        refusal: The error with which requests to save are answered.
    """

    def __init__(self, entity: str, project: str) -> None:
        self.entity, self.project = entity, project
        self.views: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.unknown: list[str] = []
        self.refusal: str | None = None

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Answer a request, which is named by the first field that it asks for."""
        field = re.search(r"\{\s*(\w+)", query)
        name = field.group(1) if field else query
        self.log.append((name, variables))
        answers = {
            "viewer": self._viewer, "project": self._views_of, "models": self._projects,
            "upsertView": self._upsert,
        }  # fmt: skip
        if name not in answers:
            self.unknown.append(query)
            return {}
        if name == "upsertView" and self.refusal:
            return {"data": None, "errors": [{"message": self.refusal}]}
        return {"data": {name: answers[name](variables)}}

    @property
    def saved(self) -> list[dict[str, Any]]:
        """The variables of all requests that save."""
        return [variables for name, variables in self.log if name == "upsertView"]

    def _viewer(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": "VXNlcjox",
            "username": self.entity,
            "entity": self.entity,
            "teams": {"edges": []},
        }

    def _projects(self, variables: dict[str, Any]) -> dict[str, Any]:
        node = {
            "__typename": "Project", "id": "UHJvamVjdDox", "name": self.project,
            "entityName": self.entity, "createdAt": "2026-01-01T00:00:00", "isBenchmark": False,
            "user": None,
        }  # fmt: skip
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {"pageInfo": page, "edges": [{"node": node}]}

    def _views_of(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        if variables["project"] != self.project:
            return None
        found = [view for view in self.views.values() if view["type"] == variables["viewType"]]
        edges = [{"node": view, "cursor": view["id"]} for view in found]
        return {"allViews": {"edges": edges, "pageInfo": {"endCursor": "", "hasNextPage": False}}}

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        given = variables.get("id")
        view = {
            "id": given or f"view{len(self.views)}",
            **{key: variables[key] for key in ("type", "name", "displayName", "spec")},
            "description": variables["description"],
            "project": {"id": "1", "name": self.project, "entityName": self.entity},
            "updatedAt": "2026-01-01T00:00:00",
        }
        self.views[view["id"]] = view
        return {"view": view, "inserted": not given}


@contextmanager
def serving(account: Account) -> Iterator[str]:
    """Serves an account on a free port; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/graphql":  # W&B's telemetry
                self.send_error(404)
                return
            body = json.loads(sent)
            answer = account.answer(body["query"], body.get("variables") or {})
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
