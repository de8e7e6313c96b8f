"""Key–value caches of memories for vLLM.

vLLM loads `memory_vllm.connector.MemoryConnector` by itself; see the README. Importing this package imports no vLLM.
"""

__version__ = "0.1.0"
