"""The command line `finetune` (also `kubectl finetune`): manifests checked offline, and work with a cluster by name.

    app ──> commands/<group> ──> manifest/  (files, lines, schema, CEL, core: pure)
                             ──> kube/      (the only module that talks to Kubernetes)
                             ──> stores     (an experiment's store: --store, or what its spec says)
                             ──> shown/     (tables and texts from values: pure)

Commands are thin: they fetch, call something pure, and print. Exit codes: see `exits`.
"""
