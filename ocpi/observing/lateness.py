"""How busy the event loop is: somebody sleeps, and sees how much too late it is woken."""

import asyncio
import time

from ocpi.metrics import Metrics


class LoopWatch:
    """A duty that measures the loop's lag twice a second."""

    PAUSE = 0.5

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Measure until `stop`."""
        while not self._stopping.is_set():
            due = time.perf_counter() + self.PAUSE
            await asyncio.sleep(self.PAUSE)
            self._metrics.loop_lag.observe(max(time.perf_counter() - due, 0.0))

    async def stop(self) -> None:
        """End `run`, half a second later at most."""
        self._stopping.set()
