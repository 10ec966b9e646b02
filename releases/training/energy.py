"""Energy: an estimate from CPU time, because a virtual machine shows no energy counters."""

from typing import Any

WATTS_PER_CORE = 10.0
OVERHEAD = 1.0
KG_PER_KWH = 0.475
JOULES_PER_KWH = 3.6e6


def estimate(facts: dict[str, Any]) -> dict[str, object]:
    """Energy (kWh) and emissions (kg CO2e) of a run from its ledger; every assumption is named beside them."""
    kwh = facts["cpu_seconds"] * WATTS_PER_CORE * OVERHEAD / JOULES_PER_KWH
    return {
        "kind": "estimate, not a measurement",
        "cpu_seconds": facts["cpu_seconds"],
        "wall_seconds": round(facts["stopped"] - facts["started"], 1),
        "watts_per_core": WATTS_PER_CORE,
        "pue": OVERHEAD,
        "kg_co2e_per_kwh": KG_PER_KWH,
        "kwh": kwh,
        "kg_co2e": kwh * KG_PER_KWH,
        "formula": "kwh = cpu_seconds * watts_per_core * pue / 3.6e6; kg_co2e = kwh * kg_co2e_per_kwh",
        "sources": {
            "cpu_seconds": "measured by the kernel (wait4) for every process of the run, the killed ones too",
            "watts_per_core": "declared assumption",
            "kg_co2e_per_kwh": "world average that codecarbon falls back to; the machine's place is not known",
        },
        "boundary": (
            "Training with everything a rollback threw away, export and evaluation, on one core. Not included: "
            "trial runs before it, idle power, cooling, network, making the hardware."
        ),
    }
