"""The web page: experiments and searches as they run, their curves, tables and files. It reads, and never writes.

    web (aiohttp: routes, headers, who asks)
     ├─> views (a page's values) ──> sources (a cluster as a viewer may see it, or a store)
     │                           ──> content (what is read of a store)
     │                                ──> listing, experiments, runs, searches, comparison (what a page shows: pure)
     │                                     ──> drawing (figures for plotly.js: pure)
     └─> pages (Jinja templates)

What a viewer chooses (sorting, groups, curves, smoothing) is in the address: a page can be handed on as it is seen, and
the script that brings it up to date asks for the same.

In a cluster it has no rights of its own: it asks the API with each viewer's token, and reads the store with the keys
of the Secret that the viewer may read.
"""
