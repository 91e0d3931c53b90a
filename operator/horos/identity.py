"""Who decides: the name that is recorded with a decision."""

import getpass
import os
from typing import Final

from horos.session import Session

WHO: Final = "HOROS_WHO"


async def who_decides(session: Session, said: str | None) -> str:
    """Choose what was said, else the user of the kubeconfig, else of this machine; '' if nobody knows."""
    if name := said or os.environ.get(WHO, ""):
        return name
    if session.kube is not None:
        from horos.proxy import user_name  # noqa: PLC0415 - loaded already on this way only

        if name := await user_name(session.kube):
            return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""  # in a container of a user without a name
