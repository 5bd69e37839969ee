"""The colours of charts, on light pages and on dark ones. It does not know what they stand for.

Numbers are drawn in a scale whose lightness only ever rises, or that runs both ways from its middle; what is told apart
by name, in a colour that everybody can tell from the others and that stands out 3:1 from either page. A test simulates
the kinds of colour blindness and measures both.
"""

# Lettering and thin lines. On dark pages assets/style.css writes this very grey in a lighter one.
INK = "#6b7280"
GRID = "rgba(107,114,128,0.25)"

TEAL, AMBER, BLUE = "#1f978d", "#d97706", "#0072b2"
GREY = "#69695a"  # what is there to compare with; a neutral grey would be teal's twin to some
BAND = "rgba(31,151,141,0.25)"  # around what is teal
FAINT = "rgba(105,105,90,0.35)"  # the same, where it only fills up
MANY = (TEAL, AMBER, BLUE, "#906cfc", "#b43c0f", "#a5784b", "#a54b5a", "#785a87")  # in this order, as far as needed

# Numbers from little to much: of these two Plotly knows every stop by name.
SEQUENCE = "Viridis"
CERTAINTY = "Cividis"  # where numbers stand in the cells, which its greys leave readable

# Numbers on both sides of 0. In the middle the page shows through, light or dark.
TWO_WAYS = (
    (0.0, "rgba(213,94,0,1)"),
    (0.25, "rgba(230,140,60,0.62)"),
    (0.5, "rgba(128,128,128,0.10)"),
    (0.75, "rgba(45,170,160,0.5)"),
    (1.0, "rgba(13,148,136,1)"),
)
# The same where numbers stand in the cells: ColorBrewer's PuOr, which hides the page.
TWO_WAYS_WRITTEN = ((0.0, "#b35806"), (0.25, "#f1a340"), (0.5, "#f7f7f7"), (0.75, "#998ec3"), (1.0, "#542788"))


def many(n: int) -> list[str]:
    """Colours of n things, over again from the ninth on: a shape or a dash tells those apart."""
    return [MANY[i % len(MANY)] for i in range(n)]
