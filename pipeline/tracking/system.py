"""Load of the machine while a stage runs, under the names MLflow's own page for it expects."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

SECONDS = 10.0


class SystemMetrics(threading.Thread):
    """Measures now, then every ten seconds until `stop`, and hands each measurement to `report`.

    MLflow has such a thread too; it gives up for good at the first call the server misses.
    """

    def __init__(self, report: Callable[[Mapping[str, float], int], None]) -> None:
        super().__init__(name="system-metrics", daemon=True)
        interval = os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL")
        self.seconds = float(interval) if interval else SECONDS
        self._report = report
        self._stopped = threading.Event()

    def run(self) -> None:
        """Measure until stopped."""
        monitors = _monitors()
        step = 0
        done = self._stopped.wait(min(1.0, self.seconds))
        while True:
            self._report(_measured(monitors), step)
            step += 1
            if done:
                return
            done = self._stopped.wait(self.seconds)

    def stop(self) -> None:
        """Take a last measurement, and end."""
        self._stopped.set()
        self.join()


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    kinds: list[Any] = [CPUMonitor, DiskMonitor, NetworkMonitor]
    monitors = [kind() for kind in kinds]
    with suppress(Exception):  # no NVIDIA library, or no such card: whatever it raises
        monitors.append(cast(Any, GPUMonitor)())
    return monitors


def _measured(monitors: list[Any]) -> dict[str, float]:
    measured: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        for name, value in monitor.aggregate_metrics().items():
            measured[f"system/{name}"] = float(value)
        monitor.clear_metrics()
    return measured
