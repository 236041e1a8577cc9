"""TensorBoard, MLflow and Weights & Biases by Hugging Face's own callbacks, kept from failing or slowing a run.

Trainer ──> Feed (a queue) ──> a thread of its own ──> HF's callback ──> the tracker
                                    └── an error, or no answer: a warning, and the tracker is off for this run
"""

from finetune_trainer.tracking.trackers import RunTracking, Trackers

__all__ = ["RunTracking", "Trackers"]
