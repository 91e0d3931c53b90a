"""`python -m horos_operator`: read the settings, set up the log, run."""

import logging
import os
import sys

import uvloop

from horos_operator.kube.connection import KubeError
from horos_operator.process import run
from horos_operator.settings import Settings, SettingsError


def main() -> int:
    """Run the operator; 2 means that the environment is not usable."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"horos-operator: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # Kopf tells each event of each object; what matters of it is in our own lines.
    logging.getLogger("kopf.objects").setLevel(logging.ERROR)
    try:
        uvloop.run(run(settings))
    except KubeError as error:
        print(f"horos-operator: {error.message}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
