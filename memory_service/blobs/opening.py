"""Which store the settings name."""

from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import BlobStore
from memory_service.settings import Settings


def open_blobs(settings: Settings) -> BlobStore:
    """Return the store of KV memories.

    Raises:
        Misconfigured: it cannot be opened.
    """
    if settings.kv_url:
        from memory_service.blobs.s3 import S3Blobs

        return S3Blobs(settings.kv_url)
    return FolderStore(settings.kv_folder)
