"""A service that is stopped, filled past it, and started again."""
import signal
import time

from . import machine
from .service import Service


class Kept(Service):
    """A service that can be stopped and started again over what it keeps."""

    def __init__(self, binary, driver, bundles, database):
        super().__init__(binary, driver, bundles)
        self.database = database

    def start(self, **settings):
        """Seconds until it is ready."""
        began = time.perf_counter()
        super().start(**settings, CLOUDBOX_DATABASE_URL=self.database.url(self.data))
        return time.perf_counter() - began

    def pause(self):
        """Ends it and keeps its data."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process = None

    def own_mb(self):
        """Megabytes of the service itself, without its sandboxes."""
        return machine.memory_mb([self.process.pid])
