"""Caches made and used by a model of the transformers library, in processes that have torch. The API's never imports this."""
