"""What does units of work: one kind of Kubernetes objects each, chosen by the execution mode of a spec."""

from finetune_operator.executors.base import Absent, Executor, Look
from finetune_operator.executors.registry import EXECUTORS, Executors

__all__ = ["EXECUTORS", "Absent", "Executor", "Executors", "Look"]
