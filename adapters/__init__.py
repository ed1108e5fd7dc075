"""LoRA adapters: their data, recipes, training and catalogue."""
