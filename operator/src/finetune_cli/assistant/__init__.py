"""What an assistant may ask, by the Model Context Protocol: experiments, searches, manifests, reasons. It only reads.

    server ──> reading ──> finetune_ui, finetune_client, finetune_report: what the page and the commands read by
       │          └──> answers: the types of the answers
       └──────> reasons: the tables of docs/troubleshooting.md

Only `server` knows the protocol's SDK.
"""
