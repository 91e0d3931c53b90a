-- How the agent's tool servers are, as its process sees them.
-- ARGV  agent, token, JSON text
-- Returns {OK}; {FENCED, holder}. Repeated: nothing changes.
local agent, text = ARGV[1], ARGV[3]
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
if call('GET', key(agent, 'servers')) == text then return {'OK'} end
call('SET', key(agent, 'servers'), text)
mark_dirty(agent)
return {'OK'}
