-- What the spec or the pool asks of an agent. Operator only. Levels, not signals: a repeat changes nothing.
-- KEYS  all of the agent (Keys.of)
-- ARGV  agent, op: pause (finish the open turn, then leave), resume, evict (leave between turns)
-- Returns OK or NOAGENT.
local agent, op = ARGV[1], ARGV[2]
local s = state_of(agent, 'uid', 'holder', 'state', 'turn', 'thread')
if not s.uid then return 'NOAGENT' end
if op == 'pause' and s.state ~= 'paused' then
  enter(agent, 'paused', '', '', s.turn, '')
elseif op == 'resume' and s.state == 'paused' then
  enter(agent, s.turn ~= '' and 'running' or 'idle', '', '', s.turn, '')
elseif op == 'evict' and s.holder ~= '' then
  call('HSET', state_key(agent), 'evict', '1')
end
call('PUBLISH', key(agent, 'wake'), 'c')
want(agent)
return 'OK'
