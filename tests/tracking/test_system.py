from pipeline.tracking.system import SystemMetrics


def test_even_a_short_stage_has_a_measurement() -> None:
    measured: list[dict[str, float]] = []
    system = SystemMetrics(lambda metrics, step: measured.append({**metrics, "step": step}))
    system.start()
    system.stop()
    assert [one["step"] for one in measured] == [0]
    assert 0 < measured[0]["system/system_memory_usage_percentage"] <= 100
    assert "system/disk_usage_percentage" in measured[0]


def test_a_long_stage_has_one_at_each_interval(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    steps: list[int] = []
    system = SystemMetrics(lambda metrics, step: steps.append(step))
    system.start()
    while len(steps) < 3:
        system.join(0.01)
    system.stop()
    assert steps == list(range(len(steps)))
