"""The vocabulary of conditions: all components spell types and reasons from here."""

from enum import StrEnum


class ConditionType(StrEnum):
    """The facts that `status.conditions` tells, one entry each."""

    ACCEPTED = "Accepted"
    """The spec can be carried out, and the bus knows the agent."""
    SCHEDULED = "Scheduled"
    """Whether the agent has, gets or needs a pod."""
    READY = "Ready"
    """Whether a message sent now would be answered without anybody's help."""
    BUDGET_EXHAUSTED = "BudgetExhausted"
    """True while a day's budget is used up; only there when the spec sets one."""


class ConditionStatus(StrEnum):
    """Kubernetes' three answers."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why a condition is as it is; its message says the same for this one agent, in a sentence."""

    VALID = "Valid"
    """Accepted: nothing is wrong with the spec."""
    SHARED_CREDENTIALS = "SharedCredentials"
    """Accepted, but Redis lets the operator make no users: namespaces share one and could read each other."""
    INVALID_SPEC = "InvalidSpec"
    """Not accepted: the stored spec is not one that this version understands; the message names the field."""
    BUS_UNAVAILABLE = "BusUnavailable"
    """The operator cannot reach Redis, or Redis refuses it; it keeps trying."""
    FALLBACK_UNUSABLE = "FallbackUnusable"
    """Accepted, but one of `spec.model.fallbacks` cannot be asked and is left out; the message says why."""
    MODEL_UNPRICED = "ModelUnpriced"
    """Accepted, but `budget.costPerDay` cannot hold: nobody says what a model costs; it counts as free."""
    TOOL_SERVER_UNUSABLE = "ToolServerUnusable"
    """Accepted, but a ToolServer that `spec.tools.servers` names is missing or wrong; the agent works
    without its tools. The message names it; creating or correcting it is enough."""
    PARENT_MISSING = "ParentMissing"
    """Not accepted: the Agent that `spec.parentName` names does not exist, is being deleted, or is not the
    one that it was made a child of. No pod is made; its messages are kept."""
    PARENT_CYCLE = "ParentCycle"
    """Not accepted: its line of parents runs in a circle; the message names it. No pod is made; deleting one
    of them and creating it without `parentName` is enough."""
    TOO_DEEP = "TooDeep"
    """Not accepted: an ancestor's `budget.depth` allows no generation so far below it. No pod is made."""
    TOO_MANY_CHILDREN = "TooManyChildren"
    """Not accepted: its parent has as many older children as `budget.children` allows. No pod is made until
    one of them ends. (Where an agent asks for one child too many, it is refused and no Agent is made.)"""
    DELETING = "Deleting"
    """The Agent is being deleted: its pod ends, then its keys go."""

    RESIDENT = "Resident"
    """A pod holds the agent; for Ready: its runtime has claimed the inbox."""
    STARTING = "Starting"
    """The pod exists or is being made; its runtime has not claimed the inbox yet."""
    HIBERNATED = "Hibernated"
    """No pod, since there is nothing to do; a message brings one. For Ready: its last life was healthy."""
    QUEUED = "Queued"
    """It needs a pod and waits for a slot of the AgentPool, or for room in its quota."""
    REPLACING = "Replacing"
    """The pod is not what the spec asks for any more; a new one follows after the turn."""
    SUSPENDING = "Suspending"
    """`operatingMode: Suspended` was asked for; the pod goes when its turn is finished."""
    SUSPENDED = "Suspended"
    """`operatingMode: Suspended`: no pod, messages are kept."""
    TERMINATED = "Terminated"
    """`operatingMode: Terminated`: the agent is over; its contexts stay until it is deleted."""
    TASK_DONE = "TaskDone"
    """`lifetime: Task`: the agent has answered what it was asked, and is over; its contexts stay until it is
    deleted, which happens after `ttlSecondsAfterFinished`."""

    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod; the message is the scheduler's."""
    POD_REFUSED = "PodRefused"
    """The API server refuses the pod (quota, admission, a wrong field); the message is its own."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """The image of the pod cannot be had."""
    SECRET_MISSING = "SecretMissing"
    """A Secret, or the key in it, does not exist; the message names both. Creating it is enough."""
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    """A ConfigMap, or the key in it, does not exist; the message names both. Creating it is enough."""
    CONTAINER_CRASHED = "ContainerCrashed"
    """The runtime ended unexpectedly; the message has exit code and last words. It is tried again."""
    CONTAINER_STUCK = "ContainerStuck"
    """The node cannot start the container for another cause; the message is the node's."""

    MODEL_REFUSES_KEY = "ModelRefusesKey"
    """The model's server answered 401 or 403; a new key in the Secret is picked up by itself."""
    MODEL_MISCONFIGURED = "ModelMisconfigured"
    """The model's server refuses the request for good (no such model, wrong address, nothing configured)."""
    MODEL_CONFIG_MISSING = "ModelConfigMissing"
    """The ModelConfig that `spec.model.configName` names does not exist. Creating it is enough."""
    TURN_FAILED = "TurnFailed"
    """A turn broke for a cause that none of the others names; the message is the error's."""

    CONNECTED = "Connected"
    """Of a ToolServer: the agents that use it are connected."""
    PARTLY_CONNECTED = "PartlyConnected"
    """Of a ToolServer: Ready, but not every agent reaches it; the message quotes one of them."""
    CONNECTING = "Connecting"
    """Of a ToolServer, not Ready: the agents that use it are on their way to it."""
    CONNECTION_FAILED = "ConnectionFailed"
    """Of a ToolServer, not Ready: no agent reaches it; the message quotes one of them. They keep trying."""
    NOT_USED = "NotUsed"
    """Of a ToolServer: no Agent of its namespace uses it, so nobody knows whether it is Ready."""
    NOT_REPORTED = "NotReported"
    """Of a ToolServer: none of the agents that use it has a pod that has reported how it stands with it."""

    WITHIN_BUDGET = "WithinBudget"
    """Not BudgetExhausted: of what the spec allows for a day, some is left."""
    TOKENS_PER_DAY = "TokensPerDay"
    """BudgetExhausted by `budget.tokensPerDay`; the message says when the next day begins."""
    COST_PER_DAY = "CostPerDay"
    """BudgetExhausted by `budget.costPerDay`; the message says when the next day begins."""
    BUDGET_EXHAUSTED = "BudgetExhausted"
    """Not Ready: a day's budget is used up; the message says which and until when."""

    ENFORCED = "Enforced"
    """Of an AgentPool: a ResourceQuota holds the limit, whoever makes pods."""
    NO_PRIORITY_CLASS = "NoPriorityClass"
    """Of an AgentPool: the operator alone holds the limit; without a PriorityClass of their own no quota can
    count agents' pods and no others."""
    LOWERED_BELOW_USE = "LoweredBelowUse"
    """Of an AgentPool: more agents run than it allows by now; idle ones leave, and none starts."""
    QUOTA_REFUSED = "QuotaRefused"
    """Of an AgentPool, not Ready: its ResourceQuota cannot be made or changed; the message says why. The
    operator alone holds the limit."""

    MEMBERS_PRESENT = "MembersPresent"
    """Of a Group: everybody whom its spec names exists and belongs to it."""
    MEMBERS_MISSING = "MembersMissing"
    """Of a Group: Ready, but some whom `spec.members` names do not exist; the message names them. They belong
    to it from when they are created."""
    NO_MEMBERS = "NoMembers"
    """Of a Group, not Ready: nobody whom its spec means exists. What is posted is kept; nobody reads it."""
    TOO_MANY_MEMBERS = "TooManyMembers"
    """Of a Group, not Ready: more agents fit its spec than a group may have; the message says who is left
    out. The others belong to it."""
