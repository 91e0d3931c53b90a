"""`python -m horos_runtime`: what an agent's pod runs."""

import gc

# A tenth of the time that the imports take would go into looking for garbage where there is none yet.
gc.disable()

from horos_runtime import process  # noqa: E402 - see above
from horos_runtime.departure import leave  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    leave(process.main())
