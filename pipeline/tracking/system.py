"""Load of the machine while a stage runs, under the names MLflow's own page for it expects.

MLflow has such a thread too; to have it one imports MLflow, and it gives up for good at the first
call the server misses.
"""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

SECONDS = 10.0


class SystemMetrics(threading.Thread):
    """Measures now, then every ten seconds until `stop`, and hands each measurement to `report`."""

    def __init__(self, report: Callable[[Mapping[str, float], int], None]) -> None:
        super().__init__(name="system-metrics", daemon=True)
        interval = os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL")
        self.seconds = float(interval) if interval else SECONDS
        self._report = report
        self._stopped = threading.Event()

    def run(self) -> None:
        """Measure until stopped."""
        import psutil

        cards = _cards()
        before = psutil.net_io_counters()
        step = 0
        done = self._stopped.wait(min(1.0, self.seconds))
        while True:
            found = {**_of_machine(before), **_of_cards(cards)}
            self._report({f"system/{name}": float(x) for name, x in found.items()}, step)
            step += 1
            if done:
                return
            done = self._stopped.wait(self.seconds)

    def stop(self) -> None:
        """Take a last measurement, and end."""
        self._stopped.set()
        self.join()


def _of_machine(before: Any) -> dict[str, float]:
    import psutil

    memory, disk = psutil.virtual_memory(), psutil.disk_usage(os.sep)
    found = {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": round(memory.used / 1e6, 1),
        "system_memory_usage_percentage": round(100 * memory.used / memory.total, 1),
        "disk_usage_percentage": disk.percent,
        "disk_usage_megabytes": round(disk.used / 1e6, 1),
        "disk_available_megabytes": round(disk.free / 1e6, 1),
    }
    network = psutil.net_io_counters()
    if network is None or before is None:  # no network at all
        return found
    return found | {
        "network_receive_megabytes": (network.bytes_recv - before.bytes_recv) / 1e6,
        "network_transmit_megabytes": (network.bytes_sent - before.bytes_sent) / 1e6,
    }


def _cards() -> list[Any]:
    """NVIDIA's cards as its library names them; none where there is no such library or card."""
    with suppress(Exception):  # whatever it raises
        import pynvml  # type: ignore[import-not-found, unused-ignore]

        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    return []


def _of_cards(cards: list[Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for number, card in enumerate(cards):
        import pynvml  # type: ignore[import-not-found, unused-ignore]

        with suppress(pynvml.NVMLError):
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            busy = pynvml.nvmlDeviceGetUtilizationRates(card).gpu
            watts = pynvml.nvmlDeviceGetPowerUsage(card) / 1000
            found |= {
                f"gpu_{number}_memory_usage_megabytes": round(memory.used / 1e6, 1),
                f"gpu_{number}_memory_usage_percentage": round(100 * memory.used / memory.total, 1),
                f"gpu_{number}_utilization_percentage": busy,
                f"gpu_{number}_power_usage_watts": round(watts, 1),
            }
    return found
