"""LoRA adapters: mixed by sliders, composed into one, chosen by the prompt, extracted from two models."""
