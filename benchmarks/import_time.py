"""What `import crmcore` costs beyond the packages that it needs anyway.

    python benchmarks/import_time.py

Every measurement is a new interpreter; the programs take turns. Bytecode is compiled before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median

from calibration import calibrate

ROOT = Path(__file__).parents[1]
NEEDED = (
    "import numpy, dateutil.relativedelta, zoneinfo; from pydantic import BaseModel, TypeAdapter"
)
EVERY_NAME = "import crmcore; [getattr(crmcore, name) for name in crmcore.__all__]"
FIRST_RESULT = """import crmcore as crm; from datetime import date
source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
names = ("order_id", "customer_id", "placed_at", "amount")
rows = [(1, "C1", "2025-03-01 10:00:00", "300.00")]
orders = crm.OrderTable.from_rows(rows, source, columns=names)
crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 4, 1))"""
PROGRAMS = {  # what comes before the clock starts, and what is measured
    "what crmcore needs": ("", NEEDED),
    "import crmcore": ("", "import crmcore"),
    "import crmcore, beyond what it needs": (NEEDED, "import crmcore"),
    "every public name, beyond what it needs": (NEEDED, EVERY_NAME),
    "from nothing to a first result": ("", FIRST_RESULT),
}
CLOCK = """
import sys, time
exec(sys.argv[1])
start = time.perf_counter()
exec(sys.argv[2])
print(time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="What importing crmcore costs.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds + 1):
        for name, program in PROGRAMS.items():
            times[name].append(_seconds(*program))
    print("| what | median ms |\n|---|--:|")
    for name, found in times.items():
        print(f"| {name} | {median(found[1:]) * 1e3:.1f} |")  # the first round warms up
    print(f"\n{calibrate()}")


def _seconds(before: str, program: str) -> float:
    """Time the program inside a new interpreter, without starting that."""
    command = [sys.executable, "-c", CLOCK, before, program]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(answer.stdout)


if __name__ == "__main__":
    main()
