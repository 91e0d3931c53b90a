-- NEEDS elicitations messages groups approvals debts endings
-- End an agent for good and keep what it thought: nothing is taken in or done any more. Operator only.
-- ARGV  agent, uid
-- Whoever still waits for it gets an error; an open turn is closed, and its process finds LOST, then LEAVE.
-- Returns OK; SAME when it was terminated before; GONE for another uid.
local agent, uid = ARGV[1], ARGV[2]
local s = state_of(agent, 'uid', 'state', 'turn', 'thread', 'inputs')
if s.uid ~= uid then return 'GONE' end
if s.state == 'terminated' then return 'SAME' end
local why = 'agent ' .. agent .. ' was terminated'
-- `last` stays: a commit that is repeated now must not look done.
call('HSET', state_key(agent), 'turn', '', 'thread', '', 'inputs', '', 'untold', '', 'attempt', 0, 'cancel', '',
  'alone', '', 'evict', '0', 'wake', '0', 'rested', now(), 'ended', now())
bounce(agent, uid, why, s.inputs)
drop_elicitations(agent)
call('UNLINK', key(agent, 'inbox'), key(agent, 'owed'), key(agent, 'waits'), key(agent, 'servers'))
call('XGROUP', 'CREATE', key(agent, 'inbox'), 'rt', '0', 'MKSTREAM')
if s.turn ~= '' then event(agent, s.thread, {type = 'RUN_ERROR', message = why, code = 'Terminated'}) end
enter(agent, 'terminated', '', '', '', '')
tell_parent(agent, uid, 'Terminated', 'it was terminated')
call('PUBLISH', key(agent, 'wake'), 'c')
needs_no_process(agent)
return 'OK'
