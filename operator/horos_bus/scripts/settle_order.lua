-- NEEDS messages groups approvals debts orders
-- The operator answers what an agent has asked of it. Operator only; exactly once: the order goes in the same step.
-- ARGV  id of the order, its kind, agent, uid, mid, name and hops; done | refused; what to say; the child that was made,
--       its uid and its first request (each '' = none)
-- With a task the agent goes on waiting, for the child's answer to it (the child has the name that was ordered); else it
-- gets the answer now.
-- Returns OK; NOOP when it was settled before; GONE when nobody waits for it: the order stays.
local id, kind, agent, uid, mid, name, hops = unpack(ARGV, 1, 7)
local outcome, body, child, child_uid, task = unpack(ARGV, 8, 12)
if #call('XRANGE', P .. 'orders', id, id) == 0 then return 'NOOP' end
local s = state_of(agent, 'uid', 'request_ms')
local wait = s.uid == uid and wait_of(agent, mid)
if not wait or wait.status ~= 'asked' then return 'GONE' end

local function tell(text, failed)
  deliver(agent, uid, {mid = mid .. '!reply', from = name, fuid = uid, thread = wait.thread, kind = 'reply', re = mid,
    body = text, error = failed, hops = hops}, 0)
  arrived(agent, mid, wait)
end

local function hand_over()
  local deadline = give_up_at(agent, wait.thread, s.request_ms, 0)
  local reached = deliver(child, child_uid, {mid = mid, from = agent, fuid = uid, thread = wait.thread,
    kind = 'request', re = '', body = task, deadline = deadline, hops = hops}, 0)
  if reached ~= 'OK' then
    return tell('agent ' .. child .. ' was created, and ended before it got its task', true)
  end
  call('ZADD', P .. 'later', deadline, deadline_entry(agent, uid, mid))
end

if outcome == 'done' and task ~= '' then hand_over() else tell(body, outcome == 'refused') end
if child ~= '' and call('HGET', state_key(child), 'uid') == child_uid then
  call('HSET', state_key(child), 'parent_thread', wait.thread)
end
if kind == 'terminate_agent' and outcome == 'refused' and call('HGET', state_key(name), 'ending') == mid then
  call('HDEL', state_key(name), 'ending')
end
custom(agent, wait.thread, 'order', {id = mid, kind = kind, name = name, status = outcome, message = body})
call('XDEL', P .. 'orders', id)
return 'OK'
