"""What the operator says of itself: metrics, health, logs, counts of requests."""

from finetune_operator.telemetry.metrics import Health, Telemetry

__all__ = ["Health", "Telemetry"]
