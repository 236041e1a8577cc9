"""`make release`: what a version is handed on as, checked, signed and, where a registry is named, pushed.

    facts ──> project (wheel, sdist) ─┐
              images (OCI archives) ──┼─> chart, plugin, CRDs ─> SBOMs ─> docs, notes ─> sums, signatures ─> registry
              (digests)             ──┘

`texts` is pure. `bill` runs with the programs of requirements/release.lock, which the development environment does not
have (`tools`). Signatures are made as those of published models are (`finetune_publish.signing`).
"""
