"""The tabs, in screen order. A tab is a module with TITLE, an introduction (its docstring) and build(page)."""

from playground.tabs import attention, chat

TABS = (chat, attention)
