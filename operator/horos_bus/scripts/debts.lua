-- Joined behind groups.lua and approvals.lua: debts, the requests and mentions that a turn has taken and nobody has
-- answered yet. a:<A>:owed: mid -> thread, deadline, when it was taken (microseconds), uid of the asking agent ('-' = a
-- person; '@<uid of the group>' = it is a mention), whoever asked.
local OWED = {request = true, mention = true}

local function owe(agent, uid, message, deadline)
  local asker = message.guid and '@' .. message.guid or message.fuid == '' and '-' or message.fuid
  call('HSET', key(agent, 'owed'), message.mid,
    table.concat({message.thread, deadline, stamp(), asker, message.from}, ' '))
  call('ZADD', P .. 'later', deadline, deadline_entry(agent, uid, message.mid))
end

local function debt_of(mid, text)
  local thread, deadline, taken, fuid, from = string.match(text or '', '^(%S+) (%S+) (%S+) (%S+) (.*)$')
  if not thread then return nil end
  local debt = {mid = mid, thread = thread, deadline = tonumber(deadline), taken = tonumber(taken),
    fuid = fuid == '-' and '' or fuid, from = from}
  if string.sub(fuid, 1, 1) == '@' then
    debt.fuid, debt.guid, debt.group = '', string.sub(fuid, 2), string.match(thread, '^group%.(.*)$')
  end
  return debt
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

local function by_time(a, b)
  if a.taken ~= b.taken then return a.taken < b.taken end
  return a.mid < b.mid
end

-- All of them with the same words (see `reply`): each request has its reply, all mentions of a group one post.
-- `answered`: a request has ended, so a Task may.
local function pay(agent, uid, list, said)
  local groups = {}
  for _, debt in ipairs(list) do
    if not debt.guid then
      reply(agent, uid, debt, said)
      call('HSET', state_key(agent), 'answered', '1')
    else
      groups[debt.guid] = groups[debt.guid] or {}
      table.insert(groups[debt.guid], debt)
    end
    drop_debt(agent, uid, debt.mid)
  end
  for _, mentions in pairs(groups) do
    table.sort(mentions, by_time)
    answer_mentions(agent, mentions, said)
  end
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

-- When the agent stops waiting for an answer or a decision that it asks for in `delay` milliseconds: after so long, and
-- early enough to still say something to whoever waits for it then.
local function give_up_at(agent, thread, milliseconds, delay)
  local t = now() + delay
  local deadline = t + milliseconds
  for _, debt in ipairs(debts(agent, thread)) do
    if debt.deadline > t or delay == 0 then deadline = math.min(deadline, t + (debt.deadline - t) * 0.9) end
  end
  return math.floor(deadline)
end

-- Pay what the thread owes and nothing open holds back; the debts in `anyway` (a set of mids) in any case.
-- Returns the mids of what is still owed there.
local function settle(agent, uid, thread, said, anyway)
  local left, paid, owed = {}, {}, debts(agent, thread)
  if #owed == 0 then return left end
  local waits = waits_in(agent, thread)
  for _, debt in ipairs(owed) do
    if held_back(debt, waits) and not anyway[debt.mid] then left[#left + 1] = debt.mid
    else paid[#paid + 1] = debt end
  end
  pay(agent, uid, paid, said)
  return left
end

-- The agent ends: whoever waits for it gets an error, and its own requests, debts, approvals and delayed messages leave
-- `later`.
-- `inputs` are those of the turn that was open: what it has taken is in `owed`, or answered already.
local function bounce(agent, uid, why, inputs)
  local said = {body = why, failed = true}
  local owed, taken, after = debts(agent), {}, '-'
  for _, id in ipairs(words(inputs)) do taken[id] = true end
  repeat
    local page = call('XRANGE', key(agent, 'inbox'), after, '+', 'COUNT', HEAD_RUN)
    for _, entry in ipairs(page) do
      local m = fields_of(entry)
      if OWED[m.kind] and not taken[entry[1]] then
        m.taken = 0
        owed[#owed + 1] = m
      end
      after = '(' .. entry[1]
    end
  until #page == 0
  pay(agent, uid, owed, said)
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
      if message.kind == 'request' then reply(agent, uid, message, said) end
      call('ZREM', P .. 'later', page[2][i])
    end
  until cursor == '0'
end
