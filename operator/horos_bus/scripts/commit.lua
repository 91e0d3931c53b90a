-- Close the open turn: last records, replies, acknowledgements and state in one step; then what `next` returns.
-- KEYS  all of the agent (Keys.of), those of each receiver (Keys.receiver)
-- ARGV  agent, token, turn, absolute index, prompt tokens, completion tokens, number of records, records..,
--       replies: {to, to_uid ('' = a person), thread, re, body}..
-- Returns as `next`, besides {LOST}. Repeated: the turn is closed already, only looks for the next one.
local agent, turn, ix = ARGV[1], ARGV[3], tonumber(ARGV[4])
local S = state_key(agent)
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'last', 'thread', 'inputs', 'uid', 'state')
if s.turn ~= turn then
  if s.last == turn then return open_turn(agent) end
  return {'LOST'}
end
local _, length = bounds(agent, s.thread)
if length ~= ix then return {'LOST'} end

local count = tonumber(ARGV[7])
journal(agent, turn, s.thread, ix, slice(8, count))
local number = 0
for i = 8 + count, #ARGV, 5 do
  local to, to_uid, re, body = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]
  reply(to, to_uid, {mid = agent .. '/' .. turn .. '/r' .. number, from = agent, fuid = s.uid,
    thread = ARGV[i + 2], kind = 'reply', re = re, body = body})
  if to_uid == '' then custom(agent, s.thread, 'reply', {re = re, text = body}) end
  number = number + 1
end

local inputs = words(s.inputs)
for _, entry in ipairs(entries_of(agent, inputs)) do
  local fields = fields_of(entry)
  if fields.kind == 'reply' then call('HDEL', key(agent, 'waits'), fields.re) end
end
call('XACK', key(agent, 'inbox'), 'rt', unpack(inputs))
call('XDEL', key(agent, 'inbox'), unpack(inputs))
custom(agent, s.thread, 'usage', {
  turns = call('HINCRBY', S, 'turns', 1),
  promptTokens = call('HINCRBY', S, 'prompt_tokens', ARGV[5]),
  completionTokens = call('HINCRBY', S, 'completion_tokens', ARGV[6]),
})
call('HSET', S, 'turn', '', 'thread', '', 'inputs', '', 'untold', '', 'last', turn, 'attempt', 0)
if s.state == 'paused' then mark_dirty(agent) else enter(agent, 'idle', '', '', '', s.thread) end
event(agent, s.thread, {type = 'RUN_FINISHED', threadId = s.thread, runId = turn})
return open_turn(agent)
