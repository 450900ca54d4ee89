import sys
from types import SimpleNamespace

import psutil
import pytest

from pipeline.tracking import system
from pipeline.tracking.system import SystemMetrics


def test_even_a_short_stage_has_a_measurement() -> None:
    measured: list[dict[str, float]] = []
    system = SystemMetrics(lambda metrics, step: measured.append({**metrics, "step": step}))
    system.start()
    system.stop()
    assert [one["step"] for one in measured] == [0]
    assert 0 < measured[0]["system/system_memory_usage_percentage"] <= 100
    assert "system/disk_usage_percentage" in measured[0]
    assert not any(name.startswith("system/gpu") for name in measured[0])


def test_the_names_are_mlflows_own() -> None:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    theirs: set[str] = set()
    for kind in (CPUMonitor, DiskMonitor, NetworkMonitor):
        monitor = kind()
        monitor.collect_metrics()
        theirs |= monitor.aggregate_metrics().keys()
    assert system._of_machine(psutil.net_io_counters()).keys() == theirs


def test_cards_are_measured_under_mlflows_names(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(used=3e9, total=12e9)
    library = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: f"card {index}",
        nvmlDeviceGetMemoryInfo=lambda card: memory,
        nvmlDeviceGetUtilizationRates=lambda card: SimpleNamespace(gpu=70),
        nvmlDeviceGetPowerUsage=lambda card: 250_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert system._of_cards(system._cards()) == {
        "gpu_0_memory_usage_megabytes": 3000.0,
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_utilization_percentage": 70,
        "gpu_0_power_usage_watts": 250.0,
    }


def test_a_long_stage_has_one_at_each_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    steps: list[int] = []
    system = SystemMetrics(lambda metrics, step: steps.append(step))
    system.start()
    while len(steps) < 3:
        system.join(0.01)
    system.stop()
    assert steps == list(range(len(steps)))
