"""What the command line, the Python interface and the web page share: clusters, stores and results, found by name.

    finding ──> kube/   the only module of theirs that talks to Kubernetes
    stores  ──> finding, finetune_store: the store of an experiment, as its spec says, or one that is named
    reports, result_sets ──> stores, finetune_report: the results of one experiment, or of many

Errors say what is wrong and what to do: `errors`.
"""
