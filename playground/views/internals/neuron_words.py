"""What the Neurons pane says of itself, as safe HTML; a page that is laid out needs it and must not wait for Plotly."""

ABOUT = (
    "<p>A <b>neuron</b> is one number in the middle of a layer's MLP: high for some tokens, low for others. Find one "
    "that tells two groups of sentences apart, look at where it is active, then take it out and see what changes. Most "
    "neurons answer to many unrelated things, and a name for one is a guess until a text contradicts it.</p>"
)
