"""The tabs, in screen order. A tab is a module with TITLE and build(page).

One that takes texts from other tabs says TAKES_TEXTS and listens to `page.post[TITLE]`.
"""

from playground.tabs.attention import tab as attention
from playground.tabs.bias import tab as bias
from playground.tabs.chat import tab as chat
from playground.tabs.internals import tab as internals
from playground.tabs.merge import tab as merge
from playground.tabs.prompting import tab as prompting
from playground.tabs.search import tab as search

TABS = (chat, prompting, attention, internals, merge, bias, search)
