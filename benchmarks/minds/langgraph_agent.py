"""langgraph with langchain-openai: the graph of model and tools, streamed by messages and values."""

from typing import Any

from langchain_core.messages import SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from benchmarks.minds.parts import API_KEY, INSTRUCTIONS, MODEL, Job, look_up, main


class LangGraph:
    async def open(self, job: Job) -> None:
        tools = [tool(look_up)]
        model = ChatOpenAI(model=MODEL, base_url=job.address, api_key=API_KEY, stream_usage=True)
        asked = model.bind_tools(tools)

        async def ask(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await asked.ainvoke([SystemMessage(INSTRUCTIONS), *state["messages"]])]}

        graph = StateGraph(MessagesState)
        graph.add_node("ask", ask)
        graph.add_node("tools", ToolNode(tools))
        graph.add_edge(START, "ask")
        graph.add_conditional_edges("ask", tools_condition)
        graph.add_edge("tools", "ask")
        self._graph = graph.compile()

    async def turn(self, text: str) -> str:
        said = ""
        question = {"messages": [("user", text)]}
        async for mode, part in self._graph.astream(question, stream_mode=["messages", "values"]):
            if mode == "values":
                said = part["messages"][-1].content
        return said


if __name__ == "__main__":
    main(LangGraph)
