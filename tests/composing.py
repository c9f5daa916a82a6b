"""Compositions that read and merge the same files once.

Hydra composes a config from a list of files, which overrides of groups select, and then applies
the other overrides. Tests compose a thousand configs from some eighty lists, and reading and
merging takes most of the time. Shipped files are read once, and each override is parsed once, too;
a list with files of a test's own is merged each time.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Hashable
from functools import partialmethod
from typing import Any, TypeVar

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides, create_defaults_list
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig

T = TypeVar("T")

SHIPPED = {"hydra", "main", "schema"}
"""The providers of files that no test changes."""

merge = ConfigLoaderImpl._compose_config_from_defaults_list
parse = OverridesParser.parse_rule
kept: dict[Hashable, object] = {}


def files_once() -> None:
    """Let this process read and merge the files of each list once."""
    config_loader_impl.create_defaults_list = _list
    ConfigLoaderImpl._compose_config_from_defaults_list = _merged  # type: ignore[method-assign]
    OverridesParser.parse_rule = _parsed  # type: ignore[method-assign]
    Plugins.instance()  # registers the sources, whose modules it imports anew
    for scheme in ("file", "pkg"):
        source = SourcesRegistry.instance().resolve(scheme)
        source.load_config = partialmethod(_loaded, source.load_config)  # type: ignore[method-assign, assignment]


def _once(repo: IConfigRepository, key: str, make: Callable[[], T]) -> T:
    sources = repo.get_sources()
    if not SHIPPED.issuperset(source.provider for source in sources):
        return make()
    whole = (key, *(source.path for source in sources))
    if whole not in kept:
        kept[whole] = make()
    return kept[whole]  # type: ignore[return-value]


def _loaded(
    source: ConfigSource, load: Callable[[ConfigSource, str], ConfigResult], config_path: str
) -> ConfigResult:
    if source.provider not in SHIPPED:
        return load(source, config_path)
    whole = (source.path, config_path)
    if whole not in kept:
        kept[whole] = pickle.dumps(load(source, config_path))
    found: ConfigResult = pickle.loads(kept[whole])  # type: ignore[arg-type]
    return found


def _parsed(parser: OverridesParser, text: str, rule_name: str) -> Any:
    if (text, rule_name) not in kept:
        kept[text, rule_name] = pickle.dumps(parse(parser, text, rule_name))
    return pickle.loads(kept[text, rule_name])  # type: ignore[arg-type]


def _list(
    repo: IConfigRepository,
    config_name: str | None,
    overrides_list: list[Override],
    prepend_hydra: bool,
    skip_missing: bool,
) -> DefaultsList:
    others = Overrides(repo, overrides_list).config_overrides
    groups = [o for o in overrides_list if o not in others and not o.is_sweep_override()]
    key = f"{config_name} {[o.input_line for o in groups]} {prepend_hydra} {skip_missing}"
    arguments = repo, config_name, groups, prepend_hydra, skip_missing
    found = _once(repo, key, lambda: create_defaults_list(*arguments))
    return dataclasses.replace(found, config_overrides=others)


def _merged(
    loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
) -> DictConfig:
    pickled = _once(repo, str(defaults), lambda: pickle.dumps(merge(loader, defaults, repo)))
    config: DictConfig = pickle.loads(pickled)  # faster than a copy
    return config
