import io
from pathlib import Path

import pytest

from memory_service.embedded.console import Console
from memory_service.embedded.stopping import StopSignal
from memory_service.embedded.supervisor import Supervisor
from memory_service.settings import Settings


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_a_service_that_others_reach_says_so_in_one_line(tmp_path: Path, host: str, warned: bool) -> None:
    said = io.StringIO()
    settings = Settings(data_dir=tmp_path, host=host, port=9)
    Supervisor(settings, console=Console(said), stop=StopSignal())._announce(1.0)
    assert said.getvalue().count("MEMORY_SERVICE_HOST is 0.0.0.0: other machines") == warned
