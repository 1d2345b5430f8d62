"""LoRA fine-tuning of a Llama: the base stays as it came, small adapters learn."""
