-- Joined behind prelude.lua: bringing messages to inboxes, and answers to whoever asked.

-- What only some messages have: `error` of a reply that says why there is none; `deadline` of a request, which is
-- answered by then or never; `verdict`, `who` and `reason` of a decision; `group` and `guid` of a mention (its group and
-- that one's uid); `hops` of what an agent sends: how many messages led to it, each to the next, since a person wrote.
local OPTIONAL = {'error', 'deadline', 'verdict', 'who', 'reason', 'group', 'guid', 'hops'}

-- message: mid, from, fuid, thread, kind, re, body, and what is optional. cap 0 = never full.
-- OK, FULL or NOAGENT.
local function deliver(to, to_uid, message, cap)
  local s = state_of(to, 'uid', 'state')
  if not s.uid or s.state == 'terminated' or (to_uid ~= '' and to_uid ~= s.uid) then return 'NOAGENT' end
  if cap > 0 and call('XLEN', key(to, 'inbox')) >= cap then return 'FULL' end
  local fields = {'mid', message.mid, 'from', message.from, 'fuid', message.fuid, 'thread', message.thread,
    'kind', message.kind, 're', message.re, 'body', message.body}
  for _, name in ipairs(OPTIONAL) do
    local value = message[name]
    if value then
      fields[#fields + 1] = name
      fields[#fields + 1] = value == true and '1' or value
    end
  end
  call('XADD', key(to, 'inbox'), '*', unpack(fields))
  want(to)
  return 'OK'
end

-- The entry of `later` for a deadline, of a debt, a wait or an approval.
local function deadline_entry(agent, uid, mid) return 'expire ' .. agent .. ' ' .. uid .. ' ' .. mid end

-- Own requests: mid -> thread, when it was asked (microseconds), whom, asked | arrived. Open is whatever is in there:
-- a reply turns `asked` into `arrived`, and only the turn that acknowledges the reply removes it.
local function wait_of(agent, mid)
  local thread, asked, to, status = string.match(call('HGET', key(agent, 'waits'), mid) or '',
    '^(%S+) (%S+) (%S+) (%S+)$')
  return thread and {thread = thread, asked = asked, to = to, status = status}
end

local function arrived(agent, mid, wait)
  call('HSET', key(agent, 'waits'), mid, wait.thread .. ' ' .. wait.asked .. ' ' .. wait.to .. ' arrived')
end

-- Bring the one ending of a request to whoever asked: to a person (fuid '') a key that expires, JSON {"text": ..} or
-- {"error": ..}; to an agent an inbox entry that never meets the cap. A second ending changes nothing. `uid` is ''
-- when the agent is gone: then there are no watchers to tell. said: body, `failed` if it says why there is no answer,
-- `hops` of what a turn says.
local function reply(agent, uid, debt, said)
  local body = said.body ~= '' and said.body or '(no text)'
  if debt.fuid == '' then
    local name = P .. 'r:' .. debt.mid
    local told = said.failed and 'error' or 'text'
    if not call('SET', name, cjson.encode({[told] = body}), 'NX', 'EX', REPLY_SECONDS) then return end
    call('PUBLISH', name, '1')
    if uid ~= '' then custom(agent, debt.thread, 'reply', {re = debt.mid, [told] = body}) end
    return
  end
  local wait = wait_of(debt.from, debt.mid)
  if not wait or wait.status ~= 'asked' then return end
  local outcome = deliver(debt.from, debt.fuid, {mid = debt.mid .. '!reply', from = agent, fuid = uid,
    thread = wait.thread, kind = 'reply', re = debt.mid, body = body, error = said.failed, hops = said.hops}, 0)
  if outcome ~= 'OK' then return end
  arrived(debt.from, debt.mid, wait)
  call('ZREM', P .. 'later', deadline_entry(debt.from, debt.fuid, debt.mid))
end

-- A delayed message as it lies in `later`.
local function delayed_entry(to, message) return 'due ' .. to .. ' ' .. cmsgpack.pack(message) end
local function delayed_of(to, entry) return cmsgpack.unpack(string.sub(entry, #('due ' .. to .. ' ') + 1)) end

-- Deliver it so many milliseconds later, to the life that the name has now; the cap is met then. OK or NOAGENT.
local function put_off(to, to_uid, message, cap, delay)
  local s = state_of(to, 'uid', 'state')
  if not s.uid or s.state == 'terminated' or (to_uid ~= '' and to_uid ~= s.uid) then return 'NOAGENT' end
  message.to_uid, message.cap = s.uid, cap
  call('ZADD', P .. 'later', now() + delay, delayed_entry(to, message))
  return 'OK'
end
