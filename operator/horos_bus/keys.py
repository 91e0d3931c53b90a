"""The names of all Redis keys of one namespace, as PROTOCOL.md section 2 lists them."""


class Keys:
    """Key names under one prefix; the prefix alone is the key that a script declares."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.agents = f"{prefix}agents"
        self.work = f"{prefix}work"
        self.dirty = f"{prefix}dirty"
        self.later = f"{prefix}later"
        self.doorbell = f"{prefix}doorbell"
        self.queue = f"{prefix}queue"
        self.crowded = f"{prefix}crowded"
        self.limit = f"{prefix}limit"
        self.requests = f"{prefix}requests"
        """What the gateway asks of the operator; agents cannot write there."""
        self.orders = f"{prefix}orders"
        """What agents ask of the operator."""
        self.groups = f"{prefix}groups"

    def state(self, agent: str) -> str:
        """Hash: uid, holder, epoch, state, the open turn, usage."""
        return self._of_agent(agent, "state")

    def inbox(self, agent: str) -> str:
        """Stream: messages not yet committed."""
        return self._of_agent(agent, "inbox")

    def context(self, agent: str, thread: str) -> str:
        """List: the records of one thread; its tail is the journal of the open turn."""
        return self._of_agent(agent, f"t:{thread}:context")

    def results(self, agent: str, thread: str) -> str:
        """Hash: long results of tools, by the absolute index of the record that stands for each."""
        return self._of_agent(agent, f"t:{thread}:results")

    def seen(self, agent: str) -> str:
        """Sorted set: ids of messages accepted from outside the bus."""
        return self._of_agent(agent, "seen")

    def waits(self, agent: str) -> str:
        """Hash: own requests that are not answered yet."""
        return self._of_agent(agent, "waits")

    def owed(self, agent: str) -> str:
        """Hash: requests taken and not answered yet."""
        return self._of_agent(agent, "owed")

    def approvals(self, agent: str) -> str:
        """Hash: calls that wait for a person, until the turn that acts on the decision is committed."""
        return self._of_agent(agent, "approvals")

    def elicitations(self, agent: str) -> str:
        """Hash: what tool servers ask a person for in calls that run."""
        return self._of_agent(agent, "elicitations")

    def servers(self, agent: str) -> str:
        """String: how the agent's tool servers are, as its process reported."""
        return self._of_agent(agent, "servers")

    def dead(self, agent: str) -> str:
        """Stream: dead letters, the newest thousand."""
        return self._of_agent(agent, "dead")

    def threads(self, agent: str) -> str:
        """Hash: thread to the absolute index of its oldest record."""
        return self._of_agent(agent, "threads")

    def config(self, agent: str) -> str:
        """String: what the operator projects of the spec."""
        return self._of_agent(agent, "config")

    def events(self, agent: str) -> str:
        """Stream: what watchers see."""
        return self._of_agent(agent, "events")

    def wake(self, agent: str) -> str:
        """Pub/Sub channel: look at your inbox (`m`) or at your orders (`c`)."""
        return self._of_agent(agent, "wake")

    def group_log(self, group: str) -> str:
        """Stream: what was said in a group."""
        return f"{self.prefix}g:{group}:log"

    def reply(self, mid: str) -> str:
        """String and channel: the answer to one person's request."""
        return f"{self.prefix}r:{mid}"

    def decision(self, approval_id: str) -> str:
        """String: how an approval was decided, for an hour."""
        return f"{self.prefix}d:{approval_id}"

    def _of_agent(self, agent: str, part: str) -> str:
        return f"{self.prefix}a:{agent}:{part}"
