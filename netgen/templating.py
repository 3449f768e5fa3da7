"""The Jinja2 environment: where templates are found, and their compiled form kept for the next start."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import jinja2

from netgen.errors import NetgenError, UsageError
from netgen.scalars import quote

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

NET_TEMPLATE = "net.prototxt.j2"
_environments: dict[str | None, jinja2.Environment] = {}


def folder() -> str:
    """The folder of netgen's own templates, in a checkout or an installed package."""
    spec = find_spec("netgen.templates")
    if spec is None or not spec.submodule_search_locations:
        raise NetgenError("netgen.templates: the folder of templates is missing; install netgen again")
    return next(iter(spec.submodule_search_locations))


class _UserCache(jinja2.BytecodeCache):
    """Compiled templates in the user's cache folder, which saves milliseconds a start, if there is one.

    Not beside the templates: pip would leave that folder behind on uninstalling, and the next netgen would not import.
    """

    def _path(self, bucket: Bucket) -> str:
        return os.path.join(_cache_folder(), f"{bucket.key}.{sys.implementation.cache_tag}.j2c")

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            with open(self._path(bucket), "rb") as file:
                bucket.load_bytecode(file)
        except (OSError, EOFError, ValueError, TypeError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        path = self._path(bucket)
        part = f"{path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(part, "wb") as file:
                bucket.write_bytecode(file)
            os.replace(part, path)
        except OSError:
            pass


def _cache_folder() -> str:
    """Where the platform keeps a user's caches."""
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.expanduser("~"), "netgen", "Cache")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/netgen")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "netgen")


def environment(templates: str | os.PathLike[str] | None = None) -> jinja2.Environment:
    """The environment in which a user's folder of templates, if given, goes before netgen's.

    A template that overrides one of ours can extend it as ``netgen/NAME``.
    """
    key = os.fspath(templates) if templates is not None else None
    made = _environments.get(key)
    if made is not None:
        return made
    ours = folder()
    if key is None:
        loader: jinja2.BaseLoader = jinja2.FileSystemLoader(ours)
    elif not os.path.isdir(key):
        raise UsageError(f"{key}: this folder of templates {'is a file' if os.path.exists(key) else 'does not exist'}")
    elif not os.path.isfile(os.path.join(key, NET_TEMPLATE)):
        raise UsageError(f"{key}: this folder has no {NET_TEMPLATE}, so it changes nothing")
    else:
        own = jinja2.FileSystemLoader(ours)
        loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(key), jinja2.PrefixLoader({"netgen": own}), own])
    made = jinja2.Environment(
        loader=loader,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        bytecode_cache=_UserCache() if key is None else None,
        auto_reload=False,
    )
    made.filters["quote"] = quote
    _environments[key] = made
    return made


def render(name: str, templates: str | os.PathLike[str] | None, **context: object) -> str:
    """A template's text; a mistake in a user's template is a NetgenError that names the template and the line."""
    try:
        return environment(templates).get_template(name).render(context)
    except NetgenError:
        raise
    except jinja2.TemplateSyntaxError as error:
        raise NetgenError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from None
    except jinja2.TemplateNotFound as error:
        raise NetgenError(f"template {name!r}: there is no template {error.name!r}") from None
    except Exception as error:
        if templates is None:
            raise
        # Whatever a user's template does wrong as it runs, Jinja2 puts its lines into the traceback.
        raise NetgenError(f"{_line_in(templates, error)}: {error}") from None


def _line_in(templates: str | os.PathLike[str], error: BaseException) -> str:
    """``folder/template:line`` of the user's template that an error came from."""
    place = os.fspath(templates)
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if filename.startswith(os.fspath(templates)):
            place = f"{filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
