-- Joined behind approvals.lua: debts, the requests that a turn has taken and nobody has answered yet.

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

-- `answered`: a Task may end from now on.
local function pay(agent, uid, debt, body, failed)
  reply(agent, uid, debt, body, failed)
  call('HSET', state_key(agent), 'answered', '1')
  drop_debt(agent, uid, debt.mid)
end

-- What the agent still waits for in a thread: answers of other agents, and people who decide about its calls.
local function waits_in(agent, thread)
  local list = {}
  for _, asked in pairs(approvals_of(agent)) do
    if asked.thread == thread then list[#list + 1] = {to = ''} end
  end
  for _, text in ipairs(call('HVALS', key(agent, 'waits'))) do
    local where, asked, to = string.match(text, '^(%S+) (%S+) (%S+)')
    if where == thread then list[#list + 1] = {asked = tonumber(asked), to = to} end
  end
  return list
end

-- Whatever is open holds a debt back, except a request to the creditor from before: then the creditor has asked back,
-- and waits for this very answer.
local function held_back(debt, waits)
  for _, wait in ipairs(waits) do
    if debt.fuid == '' or wait.to ~= debt.from or wait.asked >= debt.taken then return true end
  end
  return false
end

-- When the agent stops waiting for an answer or a decision: after so long, and early enough to still say something to
-- whoever waits for it.
local function give_up_at(agent, thread, milliseconds)
  local t = now()
  local deadline = t + milliseconds
  for _, debt in ipairs(debts(agent, thread)) do deadline = math.min(deadline, t + (debt.deadline - t) * 0.9) end
  return math.floor(deadline)
end

-- Pay what the thread owes and nothing open holds back; the debts in `anyway` (a set of mids) in any case.
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

-- The agent ends: whoever waits for it gets an error, and its own requests, debts, approvals and delayed messages leave
-- `later`.
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
  drop_approvals(agent, uid)
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
