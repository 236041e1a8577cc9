"""The command line `finetune` (also `kubectl finetune`): manifests checked offline, and work with a cluster by name.

    app ──> commands/<group> ──> manifest/  (files, lines, schema, CEL, core: pure)
                             ──> shown/     (tables and texts from values: pure)
                             ──> finetune_client (clusters, stores and results by name)

Commands are thin: they fetch, call something pure, and print. Exit codes: see `finetune_client.exits`.
"""
