-- Joined behind debts.lua: how an agent ends, by itself or not, and what its parent hears of it.

-- Its parent's watchers hear of every end; the parent itself of what it did not ask for and was not answered by.
local function tell_parent(agent, uid, how, why)
  local s = state_of(agent, 'parent', 'parent_uid', 'parent_thread', 'ending')
  local parent = s.parent or ''
  local there = parent ~= '' and call('HGET', state_key(parent), 'uid')
  if not there or (s.parent_uid ~= '' and s.parent_uid ~= there) then return end
  local thread = s.parent_thread or 'main'
  custom(parent, thread, 'child', {name = agent, status = 'ended', reason = how})
  if how == 'TaskDone' or s.ending then return end
  deliver(parent, there, {mid = agent .. '/' .. uid .. '!ended', from = agent, fuid = uid, thread = thread,
    kind = 'notice', re = '', body = 'agent ' .. agent .. ' has ended: ' .. why}, 0)
end

local function delayed_for(agent)
  local cursor = '0'
  repeat
    local page = call('ZSCAN', P .. 'later', cursor, 'MATCH', 'due ' .. agent .. ' *', 'COUNT', 1000)
    cursor = page[1]
    if #page[2] > 0 then return true end
  until cursor == '0'
  return false
end

-- A Task has done what it was asked for when a request to it has ended, and nothing is open, unread or on its way. No
-- reply or decision can be on its way then, since that would be open. Whoever calls this looks at `work` behind it.
local function finish(agent)
  local s = state_of(agent, 'uid', 'lifetime', 'answered', 'turn', 'state')
  if s.lifetime ~= 'Task' or s.answered ~= '1' or s.turn ~= '' or s.state == 'terminated' then return end
  for _, part in ipairs({'owed', 'waits', 'approvals'}) do
    if call('HLEN', key(agent, part)) > 0 then return end
  end
  if call('XLEN', key(agent, 'inbox')) > 0 or delayed_for(agent) then return end
  call('HSET', state_key(agent), 'evict', '0', 'wake', '0', 'ended', now())
  enter(agent, 'terminated', 'TaskDone', '', '', '')
  tell_parent(agent, s.uid, 'TaskDone', '')
  call('PUBLISH', key(agent, 'wake'), 'c')
end
