"""A visitor without a browser: what Gradio's own script does with events, inputs, updates and what follows them."""

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr


class Visitor:
    """Holds what stands in each component. A click runs its handler, and then all that is chained to it."""

    def __init__(self, blocks: gr.Blocks, name: str = "ann"):
        self.blocks, self.request = blocks, SimpleNamespace(session_hash=name)
        self.values: dict[Any, Any] = {}
        self.updates: list[dict] = []  # (component -> what was sent), one an update
        self.ran: list[str] = []  # names of the handlers, in the order in which they ran
        self.opened: dict[str, Any] = {}  # id of a row of tabs -> the tab that was selected

    def find(self, id: str) -> Any:
        return next(block for block in self.blocks.blocks.values() if getattr(block, "elem_id", None) == id)

    def value(self, component: Any) -> Any:
        if component not in self.values:
            value = getattr(component, "value", None)
            if isinstance(component, gr.Dataframe):
                value = component.preprocess(component.data_model(**value))
            self.values[component] = value
        return self.values[component]

    def fire(self, component: Any, event: str, index: Any = None, **more: Any) -> None:
        """Does to a component what a person or the page's script does. Raises what a handler raises."""
        data = SimpleNamespace(**{"index": index, "value": None} | more)
        for fn in list(self.blocks.fns.values()):
            if (component._id, event) in fn.targets:
                self._run(fn, data)

    def _run(self, fn: Any, data: Any) -> None:
        if fn.fn is not None:
            self.ran.append(fn.name)
            before = {state: self.value(state) for state in fn.outputs if isinstance(state, gr.State)}
            for made in self._made(fn, data):
                self._apply(fn, made)
            for state, old in before.items():
                if self.value(state) is not old and fn.queue is not False:  # else the page's script is not told
                    self.fire(state, "change")
        for follower in list(self.blocks.fns.values()):
            if follower.trigger_after == fn._id and not follower.trigger_only_on_failure:
                self._run(follower, data)

    def _made(self, fn: Any, data: Any) -> Iterator[Any]:
        by_kind = {"SelectData": data, "EventData": data, "Request": self.request}
        inputs = list(fn.inputs)
        given = [{each: self.value(each) for each in inputs}] if fn.inputs_as_dict else list(map(self.value, inputs))
        parameters = list(inspect.signature(fn.fn).parameters.values())
        for parameter in parameters[len(given) :]:
            kind = getattr(parameter.annotation, "__name__", "")
            if kind in by_kind:
                given.append(by_kind[kind])
        made = fn.fn(*given)
        if inspect.isgenerator(made):
            yield from made
        else:
            yield made

    def _apply(self, fn: Any, made: Any) -> None:
        outputs = list(fn.outputs)
        if not outputs:
            return
        if not (isinstance(made, dict) and made and all(key in outputs for key in made)):
            several = len(outputs) > 1 and isinstance(made, list | tuple)
            made = dict(zip(outputs, made if several else [made], strict=several))
        self.updates.append(made)
        for component, update in made.items():
            if isinstance(update, dict) and update.get("__type__") == "update":
                if "selected" in update:
                    self.opened[component.elem_id] = update["selected"]
                if "value" not in update:
                    continue
                update = update["value"]
            if isinstance(component, gr.Dataframe):
                update = component.preprocess(component.postprocess(update))
            self.values[component] = update
