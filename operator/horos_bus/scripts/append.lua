-- NEEDS elicitations messages groups posting approvals debts turns usage retention orders effects
-- One step of the open turn, written ahead: records, then effects with the result record that each outcome chose.
-- ARGV  agent, token, turn, absolute index, cap, day, prompt tokens, completion tokens, cost (units as usage.lua has
--       them), number of records, number of offloaded results, records.., {ref, text} of each offloaded result..,
--       effects: {kind, four words, body (see effects.lua), number of outcomes, then each outcome with its record}..
-- Returns {OK, state, cancel, joined inputs, result records of effects}; {DUP, state, cancel, joined inputs, records
-- stored since the index}; {LOST}; {FENCED, holder}. `joined`: every input of the turn that has no user record in the
-- journal yet, among them the messages that people sent to this thread meanwhile.
local agent, turn, ix, cap = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'thread', 'base', 'uid', 'state', 'inputs', 'untold', 'cancel', 'alone',
  'request_ms', 'hops', 'minute', 'sent', 'hops_limit', 'sends_limit')
if s.turn ~= turn or ix < tonumber(s.base) then return {'LOST'} end
local first, length = bounds(agent, s.thread)
if length < ix then return {'LOST'} end
local cancel = s.cancel == turn and 1 or 0
if length > ix then
  return {'DUP', s.state, cancel, (entries_of(agent, words(s.untold))),
    call('LRANGE', context_key(agent, s.thread), ix - first, -1)}
end

local count, offloaded = tonumber(ARGV[10]), tonumber(ARGV[11])
local records = slice(12, count)
local told = heard(records)
journal(agent, turn, s.thread, ix, records)
offload(agent, s.thread, slice(12 + count, 2 * offloaded))
spend(agent, tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
local results, i = {}, 12 + count + 2 * offloaded
local step = i <= #ARGV and step_of(agent, turn, cap, s)
while i <= #ARGV do
  -- The id comes from the place in the journal, never from the model's tool-call id, which may repeat.
  local mid = agent .. '/' .. turn .. '/' .. ix .. '.' .. #results
  local outcome, names = effects[ARGV[i]](step, mid, unpack(slice(i + 1, 5)))
  local first = i + 7
  i = first + 2 * tonumber(ARGV[first - 1])
  for j = first, i - 2, 2 do
    if ARGV[j] == outcome then results[#results + 1] = filled(ARGV[j + 1], names) end
  end
end
journal(agent, turn, s.thread, ix + count, results)
local minute, sent = s.minute, s.sent
if step then minute, sent = step.minute, step.sent end

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
call('HSET', state_key(agent), 'inputs', s.inputs, 'untold', table.concat(ids, ' '), 'minute', minute or 0, 'sent',
  sent or 0)
return {'OK', s.state, cancel, untold, results}
