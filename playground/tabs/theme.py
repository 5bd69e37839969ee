"""How the page looks, as far as Gradio's theme variables reach; the rest is assets/style.css.

Fonts come with Gradio: nothing is fetched from elsewhere.
"""

from gradio.themes import Base, Color, colors, sizes
from gradio.themes.utils.fonts import LocalFont

TEAL = Color(
    c50="#effaf8", c100="#d5f2ec", c200="#aee5dc", c300="#7bd1c6", c400="#45b5aa", c500="#1f978d",
    c600="#0f766e", c700="#0f5f5a", c800="#114b48", c900="#123f3d", c950="#052624", name="playground-teal",
)  # fmt: skip


def theme() -> Base:
    """A calm page: paper and ink, one accent. Text meets 4.5:1 against what it stands on, light and dark."""
    look = Base(
        primary_hue=TEAL,
        secondary_hue=TEAL,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        spacing_size=sizes.spacing_md,
        # Bold, not semi-bold: of that weight Gradio brings Cyrillic letters only.
        font=(LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
    )
    return look.set(
        color_accent="*primary_600",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="0 1px 2px rgb(15 23 42 / 0.04)",
        block_shadow_dark="none",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_label_background_fill="white",
        block_label_background_fill_dark="*neutral_900",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_border_width="1px",
        button_border_width="1px",
        button_large_padding="*spacing_md *spacing_xl",
        button_large_text_size="*text_md",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_600",
        input_border_color_focus_dark="*primary_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_secondary_text_color="*neutral_800",
        button_cancel_background_fill="white",
        button_cancel_background_fill_hover="#fef2f2",
        button_cancel_background_fill_dark="*neutral_800",
        button_cancel_background_fill_hover_dark="#450a0a",
        button_cancel_border_color="#dc2626",
        button_cancel_border_color_dark="#f87171",
        button_cancel_text_color="#b91c1c",
        button_cancel_text_color_dark="#fca5a5",
        button_transition="background-color 0.15s",
        checkbox_background_color_selected="*primary_600",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_color_hover="*neutral_600",
        checkbox_border_color_hover_dark="*neutral_300",
        checkbox_background_color_dark="*neutral_950",
        checkbox_label_text_color_selected="*neutral_900",
        checkbox_label_text_color_selected_dark="white",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="*primary_900",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
