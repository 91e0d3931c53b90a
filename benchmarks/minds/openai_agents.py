"""openai-agents: `Runner.run_streamed` on Chat Completions, tracing off since it would call out."""

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from benchmarks.minds.parts import API_KEY, INSTRUCTIONS, MODEL, Job, look_up, main


class OpenAIAgents:
    async def open(self, job: Job) -> None:
        set_tracing_disabled(True)
        client = AsyncOpenAI(base_url=job.address, api_key=API_KEY)
        self._agent = Agent(
            name="agent",
            instructions=INSTRUCTIONS,
            model=OpenAIChatCompletionsModel(model=MODEL, openai_client=client),
            model_settings=ModelSettings(include_usage=True),
            tools=[function_tool(look_up)],
        )

    async def turn(self, text: str) -> str:
        result = Runner.run_streamed(self._agent, text)
        async for _ in result.stream_events():
            pass
        return str(result.final_output)


if __name__ == "__main__":
    main(OpenAIAgents)
