"""Licences that cards name: their SPDX ids, where their texts are, and what they are open for.

“Open” as the Model Openness Framework has it: approved by the OSI or the FSF, or one of the open licences for data and
texts. What a licence was made for is told apart: code, data, documents. Plain Python; a licence that is not here is
known by its name alone, and is not called open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CODE: Final = "code"
DATA: Final = "data"
DOCUMENT: Final = "document"
_FOR: Final = {
    "Apache-2.0": {CODE, DOCUMENT}, "MIT": {CODE}, "MIT-0": {CODE}, "BSD-2-Clause": {CODE}, "BSD-3-Clause": {CODE},
    "0BSD": {CODE}, "ISC": {CODE}, "Zlib": {CODE}, "BSL-1.0": {CODE}, "Unlicense": {CODE}, "UPL-1.0": {CODE},
    "MPL-2.0": {CODE}, "EPL-2.0": {CODE}, "EUPL-1.2": {CODE}, "Artistic-2.0": {CODE}, "AFL-3.0": {CODE},
    "ECL-2.0": {CODE}, "NCSA": {CODE}, "GPL-2.0-only": {CODE}, "GPL-2.0-or-later": {CODE}, "GPL-3.0-only": {CODE},
    "GPL-3.0-or-later": {CODE}, "LGPL-2.1-only": {CODE}, "LGPL-3.0-only": {CODE}, "LGPL-3.0-or-later": {CODE},
    "AGPL-3.0-only": {CODE}, "AGPL-3.0-or-later": {CODE}, "Python-2.0": {CODE},
    "PSF-2.0": {CODE},  # its text is the first part of Python-2.0, which the OSI approved whole
    "CC0-1.0": {DATA, DOCUMENT}, "PDDL-1.0": {DATA}, "ODC-By-1.0": {DATA}, "ODbL-1.0": {DATA},
    "CDLA-Permissive-1.0": {DATA}, "CDLA-Permissive-2.0": {DATA}, "CDLA-Sharing-1.0": {DATA},
    "CC-BY-4.0": {DATA, DOCUMENT}, "CC-BY-SA-4.0": {DATA, DOCUMENT}, "CC-BY-3.0": {DATA, DOCUMENT},
    "CC-BY-SA-3.0": {DATA, DOCUMENT}, "GFDL-1.3-only": {DOCUMENT}, "OpenMDW-1.0": {CODE, DATA, DOCUMENT},
}  # fmt: skip
"""Open licences by SPDX id, and what each was made for."""
_CLOSED: Final = ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "CC-BY-ND-4.0")
"""Known by an SPDX id, and not open: they keep back use for money, or changes."""
_IDS: Final = {name.lower(): name for name in (*_FOR, *_CLOSED)} | {
    "gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only", "agpl-3.0": "AGPL-3.0-only", "lgpl-3.0": "LGPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only", "odc-by": "ODC-By-1.0", "pddl": "PDDL-1.0", "odbl": "ODbL-1.0", "gfdl": "GFDL-1.3-only",
    "psfl": "PSF-2.0",
}  # fmt: skip
"""As cards spell them, which is in small letters and sometimes shorter."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence by the name that was given; `spdx` is its id where there is one."""

    name: str
    spdx: str = ""

    @property
    def url(self) -> str:
        """Where its text is published; empty for a licence that we know by name alone."""
        return f"https://spdx.org/licenses/{self.spdx}" if self.spdx else ""

    @property
    def is_open(self) -> bool:
        """Whether it is open in the sense above."""
        return self.spdx in _FOR

    def fits(self, kind: str) -> bool:
        """Whether it was made for things of this kind."""
        return kind in _FOR.get(self.spdx, ())


def named(name: str) -> Licence:
    """The licence of this name, in whatever case."""
    spdx = _IDS.get(name.strip().lower(), "")
    return Licence(spdx or name.strip(), spdx)
