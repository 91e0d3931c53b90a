"""`python -m horos_gateway`: serves until SIGTERM; exit code 2 for a wrong setting, 1 for a port in use."""

import logging
import os
import sys

from horos_gateway.app import gateway_app
from horos_gateway.server import GatewayServer, ListenError
from horos_gateway.settings import Settings, SettingsError


def main() -> int:
    """Read the environment and serve."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    server = GatewayServer(gateway_app(settings), settings.host, settings.port, settings.metrics_port)
    try:
        server.run()
    except ListenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
