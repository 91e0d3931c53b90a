-- NEEDS elicitations messages groups approvals debts endings turns usage retention
-- Close the open turn: last records, answers, acknowledgements and state in one step; then what `next` returns. A Task
-- that has nothing left to do ends here.
-- ARGV  agent, token, turn, absolute index, day, prompt tokens, completion tokens, cost (units as usage.lua has them),
--       absolute index of the oldest record to keep ('' = all), `text` or `error`, that text, records..
-- Answers with the text whatever the thread owes and nothing open holds back; with `error` the requests and mentions
-- among the turn's own inputs in any case. What is still owed is answered by a later turn of the thread, or at its
-- deadline.
-- Returns as `next`, besides {LOST}. Repeated: the turn is closed already, only looks for the next one.
local agent, turn, ix, failed, body = ARGV[1], ARGV[3], tonumber(ARGV[4]), ARGV[10] == 'error', ARGV[11]
local S = state_key(agent)
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'last', 'thread', 'inputs', 'untold', 'uid', 'state', 'base', 'hops')
if s.turn ~= turn then
  if s.last == turn then return open_turn(agent) end
  return {'LOST'}
end
local _, length = bounds(agent, s.thread)
if length ~= ix then return {'LOST'} end
local records = slice(12, #ARGV - 11)
local inputs, told = words(s.inputs), s.untold ~= '' and heard(records)
local _, contents = entries_of(agent, inputs)
-- Nothing is acknowledged that the model was not told of.
for i = #inputs - #words(s.untold) + 1, #inputs do
  if not told[contents[i].mid] then return {'LOST'} end
end

journal(agent, turn, s.thread, ix, records)
if ARGV[9] ~= '' then trim(agent, s.thread, tonumber(ARGV[9]), tonumber(s.base)) end
spend(agent, tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]))
local own = {}
if failed then
  for _, m in ipairs(contents) do own[m.mid] = true end
end
acknowledge(agent, inputs, contents)
local said = {body = body, failed = failed or nil, hops = tonumber(s.hops or 0) + 1}
local left = settle(agent, s.uid, s.thread, said, own)
if #left > 0 then custom(agent, s.thread, 'owes', {runId = turn, mids = left}) end
call('HINCRBY', S, 'turns', 1)
tell_totals(agent, s.thread)
close_turn(agent, s.state, turn, s.thread)
event(agent, s.thread, {type = 'RUN_FINISHED', threadId = s.thread, runId = turn})
finish(agent)
return open_turn(agent)
