-- Joined behind messages.lua: calls of tools that a person has to approve.
-- a:<A>:approvals: id (the effect id of the call) -> JSON: thread, turn, tool, arguments and call (opaque texts), asked
-- and deadline (ms), status (pending, approved, denied, expired), who, reason, decided (ms). Open is whatever is in
-- there: a decision changes the status, and only the turn that acknowledges its message removes the entry.
local APPROVALS_LIMIT = 100
local UNDECIDED = 'nobody decided in time'

local function approval_of(agent, id)
  local text = call('HGET', key(agent, 'approvals'), id)
  return text and cjson.decode(text)
end

-- All of them by id.
local function approvals_of(agent)
  local found, flat = {}, call('HGETALL', key(agent, 'approvals'))
  for i = 1, #flat, 2 do found[flat[i]] = cjson.decode(flat[i + 1]) end
  return found
end

local function ask_approval(agent, uid, id, asked)
  asked.status, asked.asked = 'pending', now()
  call('HSET', key(agent, 'approvals'), id, cjson.encode(asked))
  call('ZADD', P .. 'later', asked.deadline, deadline_entry(agent, uid, id))
  custom(agent, asked.thread, 'approval', {id = id, tool = asked.tool, arguments = asked.arguments,
    deadline = asked.deadline, status = 'pending'})
  mark_dirty(agent)
end

-- As whoever decides is told of it: the call goes to the agent alone.
local function without_call(asked)
  asked.call = nil
  return cjson.encode(asked)
end

-- The one decision: stored, told, and brought to the agent as a message that never meets the cap. It is remembered for
-- as long as a reply, since whoever decides may ask again when the agent has acted on it. Returns what is remembered.
local function conclude(agent, uid, id, asked, status, who, reason)
  asked.status, asked.who, asked.reason, asked.decided = status, who, reason, now()
  call('HSET', key(agent, 'approvals'), id, cjson.encode(asked))
  call('ZREM', P .. 'later', deadline_entry(agent, uid, id))
  custom(agent, asked.thread, 'approval', outcome_of(id, asked))
  mark_dirty(agent)
  deliver(agent, uid, {mid = id .. '!decision', from = who, fuid = uid, thread = asked.thread, kind = 'decision',
    re = id, body = asked.call, verdict = status == 'approved' and 'approve' or 'deny', who = who, reason = reason}, 0)
  local remembered = without_call(asked)
  call('SET', P .. 'd:' .. id, remembered, 'EX', REPLY_SECONDS)
  return remembered
end

-- The agent ends: nobody has to decide any more.
local function drop_approvals(agent, uid)
  for id, asked in pairs(approvals_of(agent)) do
    call('HDEL', key(agent, 'approvals'), id)
    call('ZREM', P .. 'later', deadline_entry(agent, uid, id))
    if asked.status == 'pending' then
      asked.status = 'withdrawn'
      custom(agent, asked.thread, 'approval', outcome_of(id, asked))
      mark_dirty(agent)
    end
  end
end
