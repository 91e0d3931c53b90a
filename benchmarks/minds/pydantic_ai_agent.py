"""pydantic-ai: `Agent.run_stream_events` on Chat Completions."""

from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.minds.parts import API_KEY, INSTRUCTIONS, MODEL, Job, look_up, main


class PydanticAI:
    async def open(self, job: Job) -> None:
        provider = OpenAIProvider(base_url=job.address, api_key=API_KEY)
        self._agent = Agent(
            OpenAIChatModel(MODEL, provider=provider), instructions=INSTRUCTIONS, tools=[look_up]
        )

    async def turn(self, text: str) -> str:
        said = ""
        async with self._agent.run_stream_events(text) as events:
            async for event in events:
                if isinstance(event, AgentRunResultEvent):
                    said = event.result.output
        return said


if __name__ == "__main__":
    main(PydanticAI)
