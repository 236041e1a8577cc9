"""The web page: experiments and searches as they run, their curves, tables and files. It reads, and never writes.

    web (aiohttp: routes, headers, who asks) ──> sources (a cluster seen by a viewer, or a store alone)
                                             ──> experiments, searches (what a page shows: pure)
                                             ──> charts (figures for plotly.js: pure)
                                             ──> pages (Jinja templates), files (what may be downloaded)

In a cluster it has no rights of its own: it asks the API with each viewer's token, and reads the store with the keys
of the Secret that the viewer may read.
"""
