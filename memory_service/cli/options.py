"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", help="Address of the service.", show_default="MEMORY_SERVICE_URL, else http://127.0.0.1:8000"
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        help="File with the API key.",
        show_default="MEMORY_SERVICE_API_KEY, else api-key in the data folder",
    ),
]
