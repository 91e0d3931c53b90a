-- Joined behind debts.lua: what agents ask of the operator. Stream `orders`: kind, agent, uid, mid, thread, hops, name,
-- body; an entry goes with the script that settles it. Until then the agent waits as for an answer to a request, but
-- without a deadline: nothing is lost while there is no operator, and what it has made must not go unheard.

local function wait_for(agent, mid, thread, asked, to)
  call('HSET', key(agent, 'waits'), mid, thread .. ' ' .. asked .. ' ' .. to .. ' asked')
end

-- step: see `step_of`. OK, LIMIT, or NOAGENT when whom it should end has ended.
local function order(step, mid, kind, name, body)
  local agent = step.agent
  if call('HLEN', key(agent, 'waits')) >= WAITS_LIMIT then return 'LIMIT' end
  if kind == 'terminate_agent' then
    local whom = state_of(name, 'uid', 'state', 'parent')
    if not whom.uid or whom.state == 'terminated' then return 'NOAGENT' end
    -- Its parent asks for the end, and hears of it by the answer to this order: see `tell_parent`.
    if whom.parent == agent then call('HSET', state_key(name), 'ending', mid) end
  end
  call('XADD', P .. 'orders', '*', 'kind', kind, 'agent', agent, 'uid', step.uid, 'mid', mid, 'thread', step.thread,
    'hops', step.hops + 1, 'name', name, 'body', body)
  wait_for(agent, mid, step.thread, stamp(), name)
  custom(agent, step.thread, 'order', {id = mid, kind = kind, name = name, status = 'asked'})
  return 'OK'
end
