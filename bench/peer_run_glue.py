"""The peer: what Hugging Face's `run_glue.py` does by default, on local GLUE TSV files.

Every input padded to 128 tokens, fp32, a checkpoint on disk at every evaluation, the best one loaded at the end, then
the test set predicted. Kept close to
https://github.com/huggingface/transformers/blob/main/examples/pytorch/text-classification/run_glue.py; `--bf16` and
`--dynamic-padding` switch single choices for the ablation. `--lora-r` lays an adapter into
the model as PEFT's own example does,
https://github.com/huggingface/peft/blob/main/examples/sequence_classification/LoRA.ipynb.

    python bench/peer_run_glue.py --task rte --data GLUE --model MODEL --output OUT --max-steps 80 --eval-steps 20
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Value
from peft import LoraConfig, TaskType, get_peft_model
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

# task -> folder, text columns by position, label column by position, header, label names (None: regression), metric
TASKS: dict[str, tuple[str, tuple[int, ...], int, bool, tuple[str, ...] | None, str]] = {
    "cola": ("CoLA", (3,), 1, False, ("0", "1"), "matthews_correlation"),
    "mrpc": ("MRPC", (3, 4), 0, True, ("0", "1"), "f1"),
    "rte": ("RTE", (1, 2), 3, True, ("entailment", "not_entailment"), "accuracy"),
    "stsb": ("STS-B", (7, 8), -1, True, None, "pearson"),
    "wnli": ("WNLI", (1, 2), 3, True, ("0", "1"), "accuracy"),
}


def main() -> None:
    """Train, evaluate, predict; print one JSON line with the best metric."""
    arguments = parse_arguments()
    set_seed(arguments.seed)
    labels, metric = TASKS[arguments.task][4:]
    raw = read(arguments.data, arguments.task)
    config = AutoConfig.from_pretrained(arguments.model, num_labels=len(labels) if labels else 1)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model: Any = AutoModelForSequenceClassification.from_pretrained(arguments.model, config=config)
    if arguments.lora_r:
        numbers = {"r": arguments.lora_r, "lora_alpha": arguments.lora_alpha, "lora_dropout": arguments.lora_dropout}
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, **numbers))
    padding: Any = False if arguments.dynamic_padding else "max_length"

    def preprocess(examples: dict[str, list[str]]) -> Any:
        texts = [examples[name] for name in ("text1", "text2") if name in examples]
        return tokenizer(*texts, padding=padding, max_length=128, truncation=True)

    data = raw.map(preprocess, batched=True, desc="Running tokenizer on dataset")
    trainer = Trainer(
        model=model,
        args=training_arguments(arguments, metric),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        compute_metrics=lambda prediction: measure(prediction, arguments.task),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)
        if arguments.dynamic_padding
        else default_data_collator,
    )
    trainer.train()
    trainer.save_model()
    metrics = trainer.evaluate()
    if not arguments.no_predict:
        predictions = trainer.predict(data["test"]).predictions
        write_predictions(arguments.output / f"predict_results_{arguments.task}.txt", predictions, labels)
    print(json.dumps({"metric": metric, "value": metrics[f"eval_{metric}"], "step": trainer.state.best_global_step}))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--max-steps", type=int, required=True)
    parser.add_argument("--eval-steps", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--train-batch-size", type=int, default=32)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--dynamic-padding", action="store_true")
    parser.add_argument("--no-predict", action="store_true", help="only the dev metrics")
    parser.add_argument("--lora-r", type=int, default=0, help="rank of a LoRA adapter; 0: full training")
    parser.add_argument("--lora-alpha", type=int, default=8)
    parser.add_argument("--lora-dropout", type=float, default=0.0)
    return parser.parse_args()


def training_arguments(arguments: argparse.Namespace, metric: str) -> TrainingArguments:
    """run_glue's defaults; batch size, schedule and steps are those that both sides are given."""
    return TrainingArguments(
        output_dir=str(arguments.output),
        seed=arguments.seed,
        max_steps=arguments.max_steps,
        eval_strategy="steps",
        eval_steps=arguments.eval_steps,
        save_strategy="steps",
        save_steps=arguments.eval_steps,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=True,
        learning_rate=arguments.learning_rate,
        warmup_steps=0.1,
        per_device_train_batch_size=arguments.train_batch_size,
        bf16=arguments.bf16,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        logging_steps=500,
    )


def read(folder: Path, task: str) -> DatasetDict:
    """The three splits; test rows get the first label, as the hub's have none."""
    name, texts, label, header, labels, _ = TASKS[task]
    splits = {}
    for split, file in (("train", "train.tsv"), ("validation", "dev.tsv"), ("test", "test.tsv")):
        lines = (folder / name / file).read_text("utf-8-sig").splitlines()
        rows = [line.split("\t") for line in lines[1 if header or split == "test" else 0 :]]
        columns = (1,) if task == "cola" and split == "test" else texts
        table: dict[str, list[Any]] = {
            f"text{place}": [row[column] for row in rows] for place, column in enumerate(columns, 1)
        }
        if labels:
            table["label"] = [0 if split == "test" else labels.index(row[label]) for row in rows]
        else:
            table["label"] = [0.0 if split == "test" else float(row[label]) for row in rows]
        feature = ClassLabel(names=list(labels)) if labels else Value("float32")
        splits[split] = Dataset.from_dict(table).cast_column("label", feature)
    return DatasetDict(splits)


def measure(prediction: EvalPrediction, task: str) -> dict[str, float]:
    """GLUE's metrics, as `evaluate.load("glue", task)` gives them."""
    outputs = prediction.predictions
    if task == "stsb":
        values = np.squeeze(outputs)
        return {
            "pearson": float(pearsonr(values, prediction.label_ids)[0]),
            "spearmanr": float(spearmanr(values, prediction.label_ids)[0]),
        }
    chosen, truth = np.argmax(outputs, axis=1), prediction.label_ids
    metrics = {"accuracy": float(accuracy_score(truth, chosen))}
    if task == "mrpc":
        metrics["f1"] = float(f1_score(truth, chosen))
    if task == "cola":
        metrics["matthews_correlation"] = float(matthews_corrcoef(truth, chosen))
    return metrics


def write_predictions(path: Path, predictions: np.ndarray, labels: tuple[str, ...] | None) -> None:
    """run_glue's prediction file."""
    with path.open("w") as file:
        file.write("index\tprediction\n")
        for index, row in enumerate(predictions):
            text = labels[int(np.argmax(row))] if labels else f"{float(np.squeeze(row)):3.3f}"
            file.write(f"{index}\t{text}\n")


if __name__ == "__main__":
    main()
