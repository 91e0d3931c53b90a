-- NEEDS elicitations messages approvals debts orders turns usage retention
-- One step of the open turn, written ahead: records, then effects with the result record that each outcome chose.
-- ARGV  agent, token, turn, absolute index, cap, day, prompt tokens, completion tokens, cost (units as usage.lua has
--       them), number of records, number of offloaded results, records.., {ref, text} of each offloaded result..,
--       effects: {send, to, thread, kind, body | reply, mid of the request, '', '', body | approve, tool, milliseconds
--       to wait, its arguments, the call | order, name, kind, '', body; number of outcomes, then each outcome with its
--       record}..
--       Outcomes: OK, FULL, NOAGENT, for a request LIMIT too; of a reply OK and NOREQUEST; of an approval OK and LIMIT;
--       of an order OK, LIMIT and NOAGENT.
-- Returns {OK, state, cancel, joined inputs, outcomes}; {DUP, state, cancel, joined inputs, records stored since the
-- index}; {LOST}; {FENCED, holder}. `joined`: every input of the turn that has no user record in the journal yet,
-- among them the messages that people sent to this thread meanwhile.
local agent, turn, ix, cap = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'thread', 'base', 'uid', 'state', 'inputs', 'untold', 'cancel', 'alone', 'request_ms')
if s.turn ~= turn or ix < tonumber(s.base) then return {'LOST'} end
local first, length = bounds(agent, s.thread)
if length < ix then return {'LOST'} end
local cancel = s.cancel == turn and 1 or 0
if length > ix then
  return {'DUP', s.state, cancel, (entries_of(agent, words(s.untold))),
    call('LRANGE', context_key(agent, s.thread), ix - first, -1)}
end

local function wait_until(milliseconds) return give_up_at(agent, s.thread, milliseconds) end

-- An agent that asked itself would wait for itself: no later turn would leave nothing open.
local function send(mid, to, thread, kind, body)
  local message = {mid = mid, from = agent, fuid = s.uid, thread = thread, kind = kind, re = '', body = body}
  if kind ~= 'request' then return deliver(to, '', message, cap) end
  if to == agent then return 'NOAGENT' end
  if call('HLEN', key(agent, 'waits')) >= WAITS_LIMIT then return 'LIMIT' end
  message.deadline = wait_until(s.request_ms)
  local outcome = deliver(to, '', message, cap)
  if outcome == 'OK' then
    wait_for(agent, mid, s.thread, stamp(), to)
    call('ZADD', P .. 'later', message.deadline, deadline_entry(agent, s.uid, mid))
  end
  return outcome
end

local function answer(mid, body)
  local debt = debt_of(mid, call('HGET', key(agent, 'owed'), mid))
  if not debt then return 'NOREQUEST' end
  pay(agent, s.uid, debt, body)
  return 'OK'
end

-- The call waits for a person, the turn does not: the decision comes as a message.
local function approve(id, tool, milliseconds, arguments, text)
  if call('HLEN', key(agent, 'approvals')) >= APPROVALS_LIMIT then return 'LIMIT' end
  ask_approval(agent, s.uid, id, {thread = s.thread, turn = turn, tool = tool, arguments = arguments, call = text,
    deadline = wait_until(milliseconds)})
  return 'OK'
end

local count, offloaded = tonumber(ARGV[10]), tonumber(ARGV[11])
local records = slice(12, count)
local told = heard(records)
journal(agent, turn, s.thread, ix, records)
offload(agent, s.thread, slice(12 + count, 2 * offloaded))
spend(agent, tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
local outcomes, at, i = {}, ix + count, 12 + count + 2 * offloaded
while i <= #ARGV do
  -- The id comes from the place in the journal, never from the model's tool-call id, which may repeat.
  local mid = agent .. '/' .. turn .. '/' .. ix .. '.' .. #outcomes
  local outcome
  if ARGV[i] == 'reply' then outcome = answer(ARGV[i + 1], ARGV[i + 4])
  elseif ARGV[i] == 'order' then outcome = order(agent, s, mid, ARGV[i + 2], ARGV[i + 1], ARGV[i + 4])
  elseif ARGV[i] == 'approve' then outcome = approve(mid, unpack(slice(i + 1, 4)))
  else outcome = send(mid, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) end
  local results = i + 6
  i = results + 2 * tonumber(ARGV[i + 5])
  for j = results, i - 2, 2 do
    if ARGV[j] == outcome then journal(agent, turn, s.thread, at, {ARGV[j + 1]}) end
  end
  at = at + 1
  outcomes[#outcomes + 1] = outcome
end

local inputs = words(s.inputs)
local untold = words(s.untold)
if #untold > 0 then
  local entries, contents = entries_of(agent, untold)
  untold = unheard(entries, contents, told)
end
-- A turn that was narrowed to what may be poison takes nobody in; one that is about to stop neither.
local run, contents = {}, nil
if s.alone ~= '1' and s.state == 'running' then
  run, contents = head_run(agent, inputs[#inputs], s.thread, function(fields) return fields.fuid == '' end)
end
if #run > 0 then
  local ids, mids = take(agent, run, contents)
  s.inputs = s.inputs .. ' ' .. ids
  custom(agent, s.thread, 'joined', {runId = turn, mids = mids})
  for _, entry in ipairs(run) do untold[#untold + 1] = entry end
end
local ids = {}
for k, entry in ipairs(untold) do ids[k] = entry[1] end
call('HSET', state_key(agent), 'inputs', s.inputs, 'untold', table.concat(ids, ' '))
return {'OK', s.state, cancel, untold, outcomes}
