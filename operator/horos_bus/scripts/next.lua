-- NEEDS elicitations messages groups approvals debts turns
-- What there is to do: the open turn, else a new one made of the head run of the inbox.
-- ARGV  agent, token
-- Returns {TURN, turn, thread, base, attempt, version, inputs, journal}; {EMPTY, version}; {LEAVE, evict | paused};
-- {FENCED, holder}. Repeated: the same turn. In state error it starts the same turn again,
-- unless the agent is evicted.
return guard(ARGV[1], ARGV[2]) or open_turn(ARGV[1])
