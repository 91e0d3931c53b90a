-- What the spec, the pool or a person asks of an agent. Levels, not signals: a repeat changes nothing.
-- ARGV  agent, op, turn: pause (finish the open turn, then leave), resume, evict (leave between turns), wake (get a
--       process, work or not; whoever was asked to leave comes back), cancel (end the turn named now; only if it is
--       the open one)
-- Returns OK, NOAGENT or NOTURN.
local agent, op, turn = ARGV[1], ARGV[2], ARGV[3]
local s = state_of(agent, 'uid', 'holder', 'state', 'turn', 'thread', 'cancel', 'evict')
if not s.uid then return 'NOAGENT' end
if op == 'cancel' then
  -- A late cancel must not hit the turn that came after.
  if s.turn == '' or s.turn ~= turn then return 'NOTURN' end
  if s.cancel ~= turn then
    call('HSET', state_key(agent), 'cancel', turn)
    custom(agent, s.thread, 'cancel', {runId = turn})
    mark_dirty(agent)
  end
elseif s.state == 'terminated' then
  return 'OK'
elseif op == 'pause' and s.state ~= 'paused' then
  enter(agent, 'paused', '', '', s.turn, '')
elseif op == 'resume' and s.state == 'paused' then
  enter(agent, s.turn ~= '' and 'running' or 'idle', '', '', s.turn, '')
elseif op == 'evict' and s.holder ~= '' then
  call('HSET', state_key(agent), 'evict', '1')
elseif op == 'wake' and (s.holder == '' or s.evict == '1') then
  -- Not for one that stays: nobody would clear it, and a useless process would follow when this one leaves.
  call('HSET', state_key(agent), 'wake', '1')
end
call('PUBLISH', key(agent, 'wake'), 'c')
want(agent)
return 'OK'
