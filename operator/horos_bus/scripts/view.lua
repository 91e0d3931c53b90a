-- What the bus knows of some agents, each seen at one moment. Reads only.
-- ARGV  agents..
-- Returns for each {fields of state, length of the inbox, whether it is in work, debts, waits, dead letters};
-- no fields = no such agent.
local views = {}
for i, agent in ipairs(ARGV) do
  views[i] = {call('HGETALL', state_key(agent)), call('XLEN', key(agent, 'inbox')),
    call('ZSCORE', P .. 'work', agent) and 1 or 0,
    call('HLEN', key(agent, 'owed')), call('HLEN', key(agent, 'waits')), call('XLEN', key(agent, 'dead'))}
end
return views
