"""The operator: kopf watches, a work queue decides when, `reconcile` observes, decides, acts and writes status.

    kopf event (experiment, Job) ──> queue ──> reconcile(namespace, name)
                                                observe: API server + object store -> Observation
                                                decide:  finetune_core.deciding.experiment.decision (pure)
                                                act:     create / patch / delete children
                                                status:  worked out anew, written only if it differs

Nothing here keeps a truth of its own: what is cached can be read again from the resource, its children and the store.
"""
