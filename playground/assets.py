"""Where that lies which is no code: pictures, styles, scripts, and the data that ships."""

from pathlib import Path

ASSETS = Path(__file__).parent.parent / "assets"
