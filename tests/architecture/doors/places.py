"""Facts of the scene that fill the parameters of routes, and a route's beginning, where several rooms need them."""

from __future__ import annotations

from typing import Final

GRANT: Final = {"pk": "{grant}"}
GATE: Final = {"gate": "{gate}"}
OWN_GATE: Final = {"lab": "{lab}", "gate": "{gate}"}
GATED: Final = {
    "lab": "{lab}",
    "namespace": "{lab}",
    "name": "gated-5m",
    "revision": "main",
    "path": "model.safetensors",
}
API_GRANT: Final = {"grant": "{grant}"}
MODEL_ROUTE: Final = "<segment:namespace>/<segment:name>"
API_GRANT_ROUTE: Final = "api/v1/grants/<uuid:grant>"
