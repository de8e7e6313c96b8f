"""Texts as hosted models read them: a model's own chat template and tokenizer, without the model and without torch."""
