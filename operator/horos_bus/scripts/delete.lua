-- NEEDS messages groups approvals debts endings
-- End an agent's life: whoever still waits for its answer gets an error, then every key goes. Operator only.
-- ARGV  agent, uid
-- Returns OK, or GONE when this life is over already.
local agent, uid = ARGV[1], ARGV[2]
local s = state_of(agent, 'uid', 'state', 'inputs')
if s.uid ~= uid then return 'GONE' end
-- First, because no lack of memory refuses it, nor then anything behind it: deleting is how one gets memory back.
call('HDEL', P .. 'agents', agent)
bounce(agent, uid, 'agent ' .. agent .. ' was deleted', s.inputs)
if s.state ~= 'terminated' then tell_parent(agent, uid, 'Deleted', 'it was deleted') end
for _, thread in ipairs(call('HKEYS', key(agent, 'threads'))) do
  call('UNLINK', context_key(agent, thread), results_key(agent, thread))
end
for _, part in ipairs({'state', 'inbox', 'seen', 'waits', 'owed', 'dead', 'threads', 'config', 'events', 'approvals',
  'elicitations', 'servers'}) do
  call('UNLINK', key(agent, part))
end
needs_no_process(agent)
call('ZREM', P .. 'dirty', agent)
call('ZREM', P .. 'queue', agent)
if call('EXISTS', P .. 'queue') == 0 then call('UNLINK', P .. 'crowded') end
-- Orders without an agent are nobody's. What the gateway asked for may be for an Agent whose keys are still to come.
if call('EXISTS', P .. 'agents') == 0 then
  call('UNLINK', P .. 'doorbell', P .. 'orders')
  if call('XLEN', P .. 'requests') == 0 then call('UNLINK', P .. 'requests') end
end
call('PUBLISH', key(agent, 'wake'), 'c')
return 'OK'
