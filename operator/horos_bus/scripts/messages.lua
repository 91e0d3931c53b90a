-- Joined behind prelude.lua: bringing messages to inboxes, and who owes whom an answer.

-- message: mid, from, fuid, thread, kind, re, body; `error` for a reply that says why there is none, `deadline` for a
-- request that is answered by then or never. cap 0 = never full. OK, FULL or NOAGENT.
local function deliver(to, to_uid, message, cap)
  local s = state_of(to, 'uid', 'state')
  if not s.uid or s.state == 'terminated' or (to_uid ~= '' and to_uid ~= s.uid) then return 'NOAGENT' end
  if cap > 0 and call('XLEN', key(to, 'inbox')) >= cap then return 'FULL' end
  local fields = {'mid', message.mid, 'from', message.from, 'fuid', message.fuid, 'thread', message.thread,
    'kind', message.kind, 're', message.re, 'body', message.body}
  if message.error then fields[15], fields[16] = 'error', '1' end
  if message.deadline then fields[15], fields[16] = 'deadline', message.deadline end
  call('XADD', key(to, 'inbox'), '*', unpack(fields))
  want(to)
  return 'OK'
end

-- The entry of `later` for a deadline, of a debt or of a wait.
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
-- when the agent is gone: then there are no watchers to tell.
local function reply(agent, uid, debt, body, failed)
  if debt.fuid == '' then
    local name = P .. 'r:' .. debt.mid
    local told = failed and 'error' or 'text'
    if not call('SET', name, cjson.encode({[told] = body}), 'NX', 'EX', REPLY_SECONDS) then return end
    call('PUBLISH', name, '1')
    if uid ~= '' then custom(agent, debt.thread, 'reply', {re = debt.mid, [told] = body}) end
    return
  end
  local wait = wait_of(debt.from, debt.mid)
  if not wait or wait.status ~= 'asked' then return end
  local outcome = deliver(debt.from, debt.fuid, {mid = debt.mid .. '!reply', from = agent, fuid = uid,
    thread = wait.thread, kind = 'reply', re = debt.mid, body = body, error = failed}, 0)
  if outcome ~= 'OK' then return end
  arrived(debt.from, debt.mid, wait)
  call('ZREM', P .. 'later', deadline_entry(debt.from, debt.fuid, debt.mid))
end

-- Debts: requests that a turn has taken and nobody has answered yet. --------------------------------------------

local function owe(agent, uid, message, deadline)
  call('HSET', key(agent, 'owed'), message.mid, table.concat({message.thread, deadline, stamp(),
    message.fuid == '' and '-' or message.fuid, message.from}, ' '))
  call('ZADD', P .. 'later', deadline, deadline_entry(agent, uid, message.mid))
end

local function debt_of(mid, text)
  local thread, deadline, taken, fuid, from = string.match(text or '', '^(%S+) (%S+) (%S+) (%S+) (.*)$')
  return thread and {mid = mid, thread = thread, deadline = tonumber(deadline), taken = tonumber(taken),
    fuid = fuid == '-' and '' or fuid, from = from}
end

-- All of them, or those of one thread.
local function debts(agent, thread)
  local list, flat = {}, call('HGETALL', key(agent, 'owed'))
  for i = 1, #flat, 2 do
    local debt = debt_of(flat[i], flat[i + 1])
    if not thread or debt.thread == thread then list[#list + 1] = debt end
  end
  return list
end

local function drop_debt(agent, uid, mid)
  call('HDEL', key(agent, 'owed'), mid)
  call('ZREM', P .. 'later', deadline_entry(agent, uid, mid))
end

local function pay(agent, uid, debt, body, failed)
  reply(agent, uid, debt, body, failed)
  drop_debt(agent, uid, debt.mid)
end

-- What the agent still waits for in a thread.
local function waits_in(agent, thread)
  local list = {}
  for _, text in ipairs(call('HVALS', key(agent, 'waits'))) do
    local where, asked, to = string.match(text, '^(%S+) (%S+) (%S+)')
    if where == thread then list[#list + 1] = {asked = tonumber(asked), to = to} end
  end
  return list
end

-- An open request holds a debt back, unless it is one to the creditor from before: then the creditor has asked back,
-- and waits for this very answer.
local function held_back(debt, waits)
  for _, wait in ipairs(waits) do
    if debt.fuid == '' or wait.to ~= debt.from or wait.asked >= debt.taken then return true end
  end
  return false
end

-- Pay what the thread owes and no open request holds back; the debts in `anyway` (a set of mids) in any case.
-- Returns the mids of what is still owed there.
local function settle(agent, uid, thread, body, failed, anyway)
  local left, owed = {}, debts(agent, thread)
  if #owed == 0 then return left end
  local waits = waits_in(agent, thread)
  for _, debt in ipairs(owed) do
    if held_back(debt, waits) and not anyway[debt.mid] then left[#left + 1] = debt.mid
    else pay(agent, uid, debt, body, failed) end
  end
  return left
end

-- A delayed message as it lies in `later`.
local function delayed_entry(to, message) return 'due ' .. to .. ' ' .. cmsgpack.pack(message) end
local function delayed_of(to, entry) return cmsgpack.unpack(string.sub(entry, #('due ' .. to .. ' ') + 1)) end

-- The agent ends: whoever waits for it gets an error, and its own requests, debts and delayed messages leave `later`.
local function bounce(agent, uid, why)
  local after = '-'
  repeat
    local page = call('XRANGE', key(agent, 'inbox'), after, '+', 'COUNT', HEAD_RUN)
    for _, entry in ipairs(page) do
      local m = fields_of(entry)
      if m.kind == 'request' then reply(agent, uid, m, why, true) end
      after = '(' .. entry[1]
    end
  until #page == 0
  for _, debt in ipairs(debts(agent)) do pay(agent, uid, debt, why, true) end
  for _, mid in ipairs(call('HKEYS', key(agent, 'waits'))) do
    call('ZREM', P .. 'later', deadline_entry(agent, uid, mid))
  end
  local cursor = '0'
  repeat
    local page = call('ZSCAN', P .. 'later', cursor, 'MATCH', 'due ' .. agent .. ' *', 'COUNT', 1000)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      local message = delayed_of(agent, page[2][i])
      if message.kind == 'request' then reply(agent, uid, message, why, true) end
      call('ZREM', P .. 'later', page[2][i])
    end
  until cursor == '0'
end
