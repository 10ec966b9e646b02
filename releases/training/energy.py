"""Energy: two estimates, because a virtual machine shows no energy counters. One from processor time, one by a published method."""

from typing import Any

JOULES_PER_KWH = 3.6e6
KG_PER_KWH = 0.475
WATTS_PER_CORE = 10.0
OVERHEAD = 1.0

# Green Algorithms (Lannelongue, Grealey, Inouye 2021), the values that its calculator takes where nothing is known.
GREEN_WATTS_PER_CORE = 12.0
GREEN_WATTS_PER_GB = 0.3725
GREEN_PUE = 1.67
MEMORY_GB = 2.0


def estimate(facts: dict[str, Any]) -> dict[str, object]:
    """Energy (kWh) and emissions (kg CO2e) of a run from its ledger; every assumption is named beside them.

    The first estimate is what the card and the portal tell; the second stands under `second`.
    """
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
        "second": green(facts),
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


def green(facts: dict[str, Any]) -> dict[str, object]:
    """The same run by Green Algorithms: processor time and memory over the run's time, and the building around them."""
    wall = facts["stopped"] - facts["started"]
    joules = facts["cpu_seconds"] * GREEN_WATTS_PER_CORE + wall * MEMORY_GB * GREEN_WATTS_PER_GB
    kwh = joules * GREEN_PUE / JOULES_PER_KWH
    return {
        "method": "Green Algorithms",
        "source": "Lannelongue, Grealey, Inouye 2021, https://doi.org/10.1002/advs.202100707",
        "watts_per_core": GREEN_WATTS_PER_CORE,
        "watts_per_gb": GREEN_WATTS_PER_GB,
        "memory_gb": MEMORY_GB,
        "pue": GREEN_PUE,
        "kg_co2e_per_kwh": KG_PER_KWH,
        "kwh": kwh,
        "kg_co2e": kwh * KG_PER_KWH,
        "formula": "kwh = (cpu_seconds * watts_per_core + wall_seconds * memory_gb * watts_per_gb) * pue / 3.6e6",
        "note": (
            "Watts and PUE are the calculator's own for an unknown processor and place; the memory is a "
            "declared assumption. Cooling is in the PUE; trial runs and making the hardware are not included."
        ),
    }
