"""What engines and their operators ask of KV memories."""
