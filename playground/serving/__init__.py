"""How the page meets the network: who may come in, how much each may ask for, what is told of it, and how it ends.

Layers around Gradio's app, one idea a file; `layers` puts them in order. They know requests, and no tab or lab.
"""
