-- What the bus knows of some agents, each seen at one moment. Reads only.
-- KEYS  prefix, then the state and inbox of each agent
-- ARGV  agents..
-- Returns for each {fields of state, length of the inbox, whether it is in work}; no fields = no such agent.
local views = {}
for i, agent in ipairs(ARGV) do
  views[i] = {call('HGETALL', state_key(agent)), call('XLEN', key(agent, 'inbox')),
    call('ZSCORE', P .. 'work', agent) and 1 or 0}
end
return views
