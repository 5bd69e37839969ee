"""Files of every kind, good and bad, made on the spot by independent writers."""

import io
import zipfile


def pdf(*pages: str, password: str = "") -> bytes:
    """By reportlab; a page without text gets a drawn box, as a scan has a picture."""
    from reportlab.pdfgen import canvas

    out = io.BytesIO()
    page = canvas.Canvas(out, encrypt=password or None)
    for text in pages:
        if not text:
            page.rect(100, 100, 200, 200, fill=1)
        for number, line in enumerate(text.split("\n")):
            page.drawString(72, 720 - 16 * number, line)
        page.showPage()
    page.save()
    return out.getvalue()


def docx(*blocks: tuple[str, str]) -> bytes:
    """(style, text) pairs, by python-docx."""
    import docx as python_docx

    document = python_docx.Document()
    for style, text in blocks:
        document.add_paragraph(text, style=style)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def zipped(**files: bytes) -> bytes:
    return zipped_paths(files)


def zipped_paths(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
