-- The open turn cannot go on until somebody changes something outside: state error; the turn and its inputs stay.
-- ARGV  agent, token, turn, reason (CamelCase), message for a person
-- Returns {OK}; {LOST}; {FENCED, holder}. Repeated: OK, told once. A paused agent stays paused and keeps the reason.
local agent, turn, reason, message = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'thread', 'state', 'reason', 'message')
if s.turn ~= turn then return {'LOST'} end
if s.reason == reason and s.message == message and s.state ~= 'running' then return {'OK'} end
enter(agent, s.state == 'paused' and 'paused' or 'error', reason, message, turn, s.thread)
event(agent, s.thread, {type = 'RUN_ERROR', message = message, code = reason})
-- It is in work and cannot do it: its slot may go to somebody who can.
offer(agent)
return {'OK'}
