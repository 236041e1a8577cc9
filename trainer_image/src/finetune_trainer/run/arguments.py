"""A run's settings in Hugging Face's terms, and what the hardware has to be able to do for them."""

from pathlib import Path

import torch
import transformers

from finetune_core.api import Precision
from finetune_core.planning.settings import Settings
from finetune_trainer.errors import UserError


def training_arguments(
    settings: Settings, *, folder: Path, seed: int, processes: int = 1
) -> transformers.TrainingArguments:
    """Our settings in Hugging Face's terms; the global batch is cut into device batches and accumulation steps.

    UserError if the hardware lacks the precision, or this process sees several GPUs: Trainer would use them by
    nn.DataParallel, which neither weights examples right nor keeps what we compute beside a step.
    """
    device_batch, accumulation = split_batch(settings, processes)
    warmup = settings.warmup_steps if settings.warmup_steps is not None else settings.warmup_ratio or 0.0
    _require_precision(settings.precision)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        **settings.hugging_face(),
        seed=seed,
        data_seed=seed,
        per_device_train_batch_size=device_batch,
        gradient_accumulation_steps=accumulation,
        warmup_steps=min(warmup, 1 - 1e-9) if settings.warmup_steps is None else warmup,
        bf16=settings.precision == Precision.BF16,
        fp16=settings.precision == Precision.FP16,
        eval_strategy="steps",
        logging_strategy="steps",
        logging_steps=settings.eval_steps,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        # Ours hold positions and the like, which are the same everywhere.
        ddp_broadcast_buffers=False,
        # Some heads leave a pooler unused. Checkpointing that does not re-enter, as Trainer's, agrees with it.
        ddp_find_unused_parameters=True,
        log_level="error",
    )
    if arguments.n_gpu > 1:
        raise UserError(
            f"a run by one process sees {arguments.n_gpu} GPUs and uses one: ask for one GPU, set CUDA_VISIBLE_DEVICES "
            f"to one, or set execution.processesPerRun to {arguments.n_gpu}"
        )
    return arguments


def split_batch(settings: Settings, processes: int) -> tuple[int, int]:
    """(examples a pass, passes a step) of each process; times the processes they are the global batch.

    UserError if the global batch cannot be cut evenly.
    """
    total = settings.train_batch_size
    if total % processes:
        raise UserError(
            f"training.trainBatchSize {total} is no multiple of the run's {processes} processes: change one of them"
        )
    share = total // processes
    most = min(share, settings.per_device_train_batch_size or share)
    size = next(size for size in range(most, 0, -1) if share % size == 0)
    return size, share // size


def _require_precision(precision: Precision) -> None:
    if precision == Precision.FP16 and not torch.cuda.is_available():
        raise UserError("training.precision fp16 needs a GPU: use bf16 or fp32 on a CPU")
    lacks_bf16 = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == Precision.BF16 and lacks_bf16:
        raise UserError(f"{torch.cuda.get_device_name()} has no bf16: set training.precision to fp16 or fp32")
