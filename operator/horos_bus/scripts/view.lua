-- What the bus knows of some agents, each seen at one moment. Reads only.
-- ARGV  agents..
-- Returns for each {fields of state, length of the inbox, since when it is in work (ms; '0' = it is not), debts, waits,
-- dead letters, what people have to decide};
-- no fields = no such agent.

-- Approvals and elicitations that nobody has decided yet.
local function undecided(agent)
  local count = 0
  for _, part in ipairs({'approvals', 'elicitations'}) do
    for _, text in ipairs(call('HVALS', key(agent, part))) do
      if cjson.decode(text).status == 'pending' then count = count + 1 end
    end
  end
  return count
end

local views = {}
for i, agent in ipairs(ARGV) do
  views[i] = {call('HGETALL', state_key(agent)), call('XLEN', key(agent, 'inbox')),
    call('ZSCORE', P .. 'work', agent) or '0',
    call('HLEN', key(agent, 'owed')), call('HLEN', key(agent, 'waits')), call('XLEN', key(agent, 'dead')),
    undecided(agent)}
end
return views
