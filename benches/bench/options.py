"""What the benches of the service are asked alike."""
import argparse
import os

BUNDLES = os.path.join(os.path.dirname(__file__), "..", "..", "target", "bundles")
# Those that Debian keeps up to date. Node has a list of its own, without what the machine's administrator added.
SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Parser(argparse.ArgumentParser):
    """A program's options: the service's binary, the folder of bundles, and what is added."""

    def __init__(self, doc):
        super().__init__(description=doc.splitlines()[0])
        self.add_argument("binary")
        self.add_argument("--bundles", default=BUNDLES)

    def add_rounds(self, rounds=3):
        """How often, and how long each time."""
        self.add_argument("--rounds", type=int, default=rounds)
        self.add_argument("--seconds", type=int, default=3)

    def add_drivers(self):
        """The drivers to measure, as a list."""
        self.add_argument("--drivers", type=lambda names: names.split(","), default=["native", "docker"])

    def parse(self):
        """The options; `certificates` are for npm, which may reach its registry with them alone."""
        options = self.parse_args()
        # Node starts three times slower with certificates of its host's, which no peer and no sandbox needs.
        options.certificates = os.environ.pop("NODE_EXTRA_CA_CERTS", SYSTEM_CERTIFICATES)
        options.bundles = os.path.abspath(options.bundles)
        return options
