-- One step of the open turn, written ahead: records, then effects with the result record that each outcome chose.
-- KEYS  all of the agent (Keys.of), then those of each receiver (Keys.receiver)
-- ARGV  agent, token, turn, absolute index, cap, number of records, records..,
--       effects: {send, to, thread, kind, body, record for OK, for FULL, for NOAGENT}..
-- Returns {OK, state, cancel, joined inputs, outcomes}; {DUP, state, cancel, joined inputs, records stored since the
-- index}; {LOST}; {FENCED, holder}. `joined`: every input of the turn that has no user record in the journal yet,
-- among them the messages that people sent to this thread meanwhile.
local agent, turn, ix, cap = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'thread', 'base', 'uid', 'state', 'inputs', 'untold', 'cancel')
if s.turn ~= turn or ix < tonumber(s.base) then return {'LOST'} end
local first, length = bounds(agent, s.thread)
if length < ix then return {'LOST'} end
local cancel = s.cancel == turn and 1 or 0
if length > ix then
  return {'DUP', s.state, cancel, entries_of(agent, words(s.untold)),
    call('LRANGE', context_key(agent, s.thread), ix - first, -1)}
end

local count = tonumber(ARGV[6])
local told = journal(agent, turn, s.thread, ix, slice(7, count))
local outcomes, at = {}, ix + count
for i = 7 + count, #ARGV, 8 do
  -- The id comes from the place in the journal, never from the model's tool-call id, which may repeat.
  local mid = agent .. '/' .. turn .. '/' .. ix .. '.' .. #outcomes
  local outcome = deliver(ARGV[i + 1], '', {mid = mid, from = agent, fuid = s.uid, thread = ARGV[i + 2],
    kind = ARGV[i + 3], re = '', body = ARGV[i + 4]}, cap)
  if outcome == 'OK' and ARGV[i + 3] == 'request' then
    call('HSET', key(agent, 'waits'), mid, s.thread .. ' ' .. now() .. ' asked')
  end
  local chosen = outcome == 'OK' and ARGV[i + 5] or outcome == 'FULL' and ARGV[i + 6] or ARGV[i + 7]
  journal(agent, turn, s.thread, at, {chosen})
  at = at + 1
  outcomes[#outcomes + 1] = outcome
end

local inputs = words(s.inputs)
local run = head_run(agent, inputs[#inputs], s.thread, function(fields) return fields.fuid == '' end)
local untold = {}
for _, entry in ipairs(entries_of(agent, words(s.untold))) do
  if not told[fields_of(entry).mid] then untold[#untold + 1] = entry end
end
if #run > 0 then
  local ids, mids = take(agent, run)
  s.inputs = s.inputs .. ' ' .. ids
  custom(agent, s.thread, 'joined', {runId = turn, mids = mids})
  for _, entry in ipairs(run) do untold[#untold + 1] = entry end
end
local ids = {}
for i, entry in ipairs(untold) do ids[i] = entry[1] end
call('HSET', state_key(agent), 'inputs', s.inputs, 'untold', table.concat(ids, ' '))
return {'OK', s.state, cancel, untold, outcomes}
