"""Playground: one transformer, every lens.

The rooms, and the way that imports point (tests/test_imports.py holds them to it):

    app -> serving, tabs, api -> labs, views -> models -> engine -> settings, errors

- models: getting hold of a model: files on disk, then an Engine, lent out under a memory budget.
- engine: what can be done to one model. It knows nothing about where models come from.
- labs: experiments, as plain functions on an Engine. They know nothing about pages.
- views: results to figures and safe HTML.
- serving: how the page meets the network: log-ins, limits, headers, health, logs, MCP.
- tabs, api, serving: the only places, beside app.py, that know Gradio.

The README has a caption for each file.
"""
