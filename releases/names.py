"""Which paths and names a release may carry. A name that means different things on two machines is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.errors import Invalid

MODEL_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
PATH_MAX: Final = 1024
PART_MAX: Final = 255
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_UNSAFE: Final = frozenset('\\:*?"<>|')


def check_path(path: str) -> None:
    """Raise Invalid, in a sentence that names the path and the fault, unless `path` is safe on every system."""
    fault = path_fault(path)
    if fault:
        told = _("The file name %(path)s %(fault)s. Rename it.") % {"path": repr(path), "fault": fault}
        raise Invalid(told, fields={"path": [fault]})


def path_fault(path: str) -> str:
    """What is wrong with a path from the root of a release, or an empty string."""
    if not path or len(path.encode("utf-8", "surrogatepass")) > PATH_MAX:
        return _("is empty or longer than %(most)s bytes") % {"most": number_format(PATH_MAX, force_grouping=True)}
    if not path.isprintable():
        return _("contains a control, direction or unassigned character")
    if unicodedata.normalize("NFC", path) != path:
        return _("is not in Unicode normal form C")
    return next((fault for part in path.split("/") if (fault := _part_fault(part))), "")


def check_paths(paths: Iterable[str]) -> None:
    """check_path() for each. Raises Invalid too for two that some systems take for one, and a file that is also a folder."""
    everything = list(paths)
    for path in everything:
        check_path(path)
    for fault in clashes(everything).values():
        raise Invalid(fault)


def clashes(paths: Iterable[str]) -> dict[str, str]:
    """Those that some systems take for one, each with the sentence that says so, and files that are also folders."""
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for path in paths:
        twin = seen.get(path.casefold())
        if twin is None:
            seen[path.casefold()] = path
            continue
        sentence = _("The file names %(one)s and %(other)s are the same on some systems. Rename one.")
        if twin == path:
            sentence = _("Two files are called %(one)s. Rename one.")
        sentence %= {"one": repr(twin), "other": repr(path)}
        found |= {twin: found.get(twin, sentence), path: sentence}
    folders = {path[:i].casefold() for path in seen.values() for i, c in enumerate(path) if c == "/"}
    for both in folders & seen.keys():
        told = _("%(path)s is both a file and a folder. Rename one.") % {"path": repr(seen[both])}
        found.setdefault(seen[both], told)
    return found


def check_model_name(name: str) -> None:
    """Raise Invalid unless `name` can be the second half of `namespace/name` for every client."""
    if not MODEL_NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        told = _(
            "%(name)s is not a model name: use letters, digits, '-', '_' and '.', at most 96, without '--' or '..'."
        )
        short = _("Use letters, digits, '-', '_' and '.', at most 96, without '--' or '..'.")
        raise Invalid(told % {"name": repr(name)}, fields={"name": [short]})


def _part_fault(part: str) -> str:
    if part in {"", ".", ".."}:
        return _("has an empty part, '.' or '..'")
    if part.startswith("."):
        return _("has a part that begins with a dot, which tools hide and signatures skip")
    if len(part.encode()) > PART_MAX:
        return _("has a part longer than %(most)s bytes") % {"most": PART_MAX}
    if _UNSAFE & set(part) or part[-1] in " ." or part[0] == " " or _RESERVED.fullmatch(part):
        return _("cannot be written on every system")
    return ""
