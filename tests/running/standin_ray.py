"""A stand-in for Ray's core calls, in threads: for tests of what the driver does with what Ray answers."""

import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class NodeDiedError(RayError):
    pass


class Ref:
    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value, self.error = value, error


class Stream:
    """A task that streams: what it has yielded so far, computed when it is its turn on its machine."""

    def __init__(self, cluster: "StandIn", node: str, function: Callable[..., Iterator[Any]], arguments: Any) -> None:
        self.items: list[Ref] = []
        self.ended = self.over = self.cancelled = False
        self.node, self.read, self.runs = node, 0, list(arguments[1])
        threading.Thread(target=self._go, args=(cluster, function, arguments), daemon=True).start()

    def _go(self, cluster: "StandIn", function: Callable[..., Iterator[Any]], arguments: Any) -> None:
        with cluster.cores[self.node]:
            stream = function(*[of.value if isinstance(of, Ref) else of for of in arguments])
            try:
                for item in stream if not self.cancelled else ():
                    if self.cancelled or self.node in cluster.dead:
                        break
                    self.items.append(Ref(item))
            except Exception as error:
                self.items.append(Ref(error=RayTaskError(str(error))))
        if self.node in cluster.dead and not self.cancelled:
            self.items.append(Ref(error=NodeDiedError("died")))
        self.ended = True

    def ready(self) -> bool:
        return self.read < len(self.items) or self.ended

    def completed(self) -> Any:
        return SimpleNamespace(ready=lambda: self.ended)

    def __next__(self) -> Ref:
        if self.read == len(self.items):
            self.over = True
            raise StopIteration
        self.read += 1
        return self.items[self.read - 1]


class StandIn(ModuleType):
    """The module: nodes of one core each, by name; `die` kills one; `most_given` counts the tasks that one had at once.

    A task is one until the driver has heard its end.
    """

    def __init__(self, nodes: list[str]) -> None:
        super().__init__("ray")
        self.names, self.dead = nodes, set[str]()
        self.cores = {node: threading.Semaphore() for node in nodes}
        self.lacking = set[str]()  # nodes on which tasks that do not stream fail
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        self.streams: list[Stream] = []
        self.most_given = 0
        self.introduced: Callable[[str, tuple[Any, ...]], Any] | None = None  # of a node and the works asked about

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "NodeName": name, "Resources": {"CPU": 1.0}, "Alive": name not in self.dead}
            for name in self.names
        ]

    def put(self, value: Any) -> Ref:
        return Ref(value)

    def get(self, ref: Any) -> Any:
        if isinstance(ref, list):
            return [self.get(each) for each in ref]
        if ref.error is not None:
            raise ref.error
        return ref.value

    def wait(self, refs: list[Any], num_returns: int = 1, timeout: float = 0, **_: Any) -> tuple[list[Any], list[Any]]:
        until = time.monotonic() + timeout
        while not (ready := [ref for ref in refs if not hasattr(ref, "ready") or ref.ready()]):
            if time.monotonic() >= until:
                break
            time.sleep(0.005)
        return ready, []

    def cancel(self, stream: Stream) -> None:
        stream.cancelled = True

    def task(self, function: Any, resources: Any, node: str, **options: Any) -> Any:
        def begin(*arguments: Any) -> Any:
            if options.get("num_returns") == "streaming":
                self.streams.append(Stream(self, node, function, arguments))
                here = [stream for stream in self.streams if stream.node == node and not stream.over]
                self.most_given = max(self.most_given, len(here))
                return self.streams[-1]
            if node in self.lacking:
                return Ref(error=RayTaskError(f"no file on {node}"))
            if self.introduced is not None:
                return Ref(self.introduced(node, arguments[2:]))
            return Ref(function(*[of.value if isinstance(of, Ref) else of for of in arguments]))

        return SimpleNamespace(remote=begin)
