"""Blobs of KV memories: large files under names of ours, in a folder or in a store that speaks S3."""
