"""Starts Playground: reads the settings, lays out the bar and the tabs, launches. It knows nothing about models."""

import os
import socket
import sys
import threading

# Read by libraries when they are imported: nothing phones home, and idle threads sleep instead of spinning.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")  # of a summary that nothing here reads
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

from pathlib import Path

from playground.errors import PlaygroundError
from playground.serving import uploads
from playground.settings import Settings, read

ASSETS = Path(__file__).parent / "assets"
# Seconds between two looks at the queue; Gradio's own 0.001 takes a fourteenth of a core when nobody is there.
LOOK_FOR_EVENTS = 0.01


def main() -> None:
    try:
        settings = read(sys.argv[1:])
        with uploads.own_folder():
            serve(settings)
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.stdout.flush()
    os._exit(0)  # threads that still load or compute would make Python's own way out end in an abort


def serve(settings: Settings) -> None:
    """Lays out the page, opens it, and only then starts to get the default models ready. Returns when it has ended."""
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    import gradio as gr  # late: it reads the variables above, and `--help` need not wait for it

    from playground import api
    from playground.models.cache import ModelCache
    from playground.serving import zero
    from playground.serving.layers import Serving
    from playground.tabs import learning, page_script, sessions
    from playground.tabs.layout import lay_out
    from playground.tabs.theme import theme

    models = ModelCache(settings)
    with gr.Blocks(title="Playground", analytics_enabled=False) as blocks:
        learning.masthead()
        api.add(models, settings)  # first: of functions with the same name, the one that comes later gets another
        lay_out(blocks, models, settings)
    zero.hand_over(blocks)

    # not open: what runs a model waits in the queue, whoever asks
    blocks.queue(max_size=settings.queue_size, default_concurrency_limit=settings.concurrency, api_open=False)
    blocks._queue.sleep_when_free = max(blocks._queue.sleep_when_free, LOOK_FOR_EVENTS)
    serving = Serving(blocks, models, settings)
    try:
        blocks.launch(
            server_name=settings.host,
            server_port=settings.port or free_port(settings.host),
            auth=settings.logins or None,
            max_file_size=settings.upload_limit,
            theme=theme(),
            css_paths=ASSETS / "style.css",
            head_paths=ASSETS / "head.html",
            favicon_path=ASSETS / "favicon.png",
            footer_links=["api", "settings"],
            share=False,
            quiet=True,
            ssr_mode=False,
            strict_cors=True,
            run_history=False,
            enable_monitoring=False,
            prevent_thread_lock=True,
            state_session_capacity=sessions.MOST,
            mcp_server=settings.mcp,
            app_kwargs={"middleware": serving.layers()},
        )
    except OSError as error:
        raise PlaygroundError(
            f"Port {settings.port} of {settings.host} cannot be used. Choose another with --port."
        ) from error
    except ValueError:  # Gradio asks for its own page and waits three seconds, which a busy machine may need to draw it
        if not blocks.is_running:
            raise
    sessions.slim(blocks)
    page_script.serve_quicker(blocks)
    serving.connect()
    serving.begin()
    print(f"Playground is at {blocks.local_url}", flush=True)
    threading.Thread(target=get_ready, args=(models, settings, serving.health.started), daemon=True).start()
    blocks.block_thread()  # until Ctrl-C, or until what is under way has ended after SIGTERM


def get_ready(models, settings: Settings, done: threading.Event) -> None:
    """The default models, one after the other; the terminal is told how far it is, and the page by its bar.

    Then, in spare time, what the first search needs.
    """
    from playground.models.progress import terminal
    from playground.serving import zero
    from playground.tabs.search import ahead

    for reference in settings.default_models:
        try:
            with models.writer(reference, report=terminal()):
                print(f"{reference} is ready", file=sys.stderr)
        except PlaygroundError as error:
            print(error, file=sys.stderr)
    done.set()
    if not zero.is_here():  # on ZeroGPU only what a visitor asks for has a GPU
        ahead.index_shipped(models, settings)


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
