"""What the worker asks of Celery, and what it opens before it forks: nothing."""

import subprocess
import sys

import consolidation.worker  # noqa: F401 (its tasks)
from consolidation.worker.application import app

PROGRAM = """
import sys
from consolidation.worker import opened
import consolidation.worker
opens = (opened.database, opened.chat, opened.kept, opened.blobs, opened.models)
print([one.cache_info().currsize for one in opens], sorted({"onnxruntime", "openvino", "torch", "transformers"} & set(sys.modules)))
"""


def test_no_task_outlives_the_time_after_which_redis_hands_it_out_again() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1
    visibility = app.conf.broker_transport_options["visibility_timeout"]
    late = [task for name, task in app.tasks.items() if not name.startswith("celery.") and task.acks_late]
    assert late
    for task in late:
        assert (task.time_limit or app.conf.task_time_limit) < visibility, task.name


def test_models_are_opened_after_the_fork() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[0, 0, 0, 0, 0] []"
