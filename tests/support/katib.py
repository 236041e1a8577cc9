"""A Katib Experiment, as its users have them."""

KATIB = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "tune-rte"},
    "spec": {
        "objective": {"type": "maximize", "goal": 0.9, "objectiveMetricName": "eval_accuracy"},
        "algorithm": {"algorithmName": "tpe"},
        "maxTrialCount": 30,
        "parallelTrialCount": 3,
        "maxFailedTrialCount": 5,
        "parameters": [
            {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "1e-5", "max": "1e-3"}},
            {"name": "steps", "parameterType": "int", "feasibleSpace": {"min": "100", "max": "300", "step": "100"}},
            {"name": "batch", "parameterType": "categorical", "feasibleSpace": {"list": ["16", "32"]}},
        ],
        "trialTemplate": {
            "trialParameters": [
                {"name": "learningRate", "reference": "lr"},
                {"name": "maxSteps", "reference": "steps"},
                {"name": "batchSize", "reference": "batch"},
            ],
            "trialSpec": {
                "kind": "Job",
                "spec": {
                    "template": {
                        "spec": {
                            "containers": [
                                {
                                    "command": ["python", "run_glue.py", "--model_name_or_path=org/model"],
                                    "args": [
                                        "--task_name=rte",
                                        "--max_seq_length=64",
                                        "--learning_rate=${trialParameters.learningRate}",
                                        "--max_steps=${trialParameters.maxSteps}",
                                        "--per_device_train_batch_size=${trialParameters.batchSize}",
                                    ],
                                }
                            ]
                        }
                    }
                },
            },
        },
    },
}
