"""The tabs, in screen order. A tab is a module with TITLE, an introduction (its docstring) and build(page).

One that takes texts from other tabs says TAKES_TEXTS and listens to `page.post[TITLE]`.
"""

from playground.tabs import attention, chat, internals

TABS = (chat, attention, internals)
