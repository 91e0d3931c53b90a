-- NEEDS elicitations
-- The process with this token is gone or written off. Operator only; a compare-and-set on the token.
-- ARGV  agent, token
-- Returns OK; NOOP when another token, or none, holds the agent.
local agent = ARGV[1]
local s = state_of(agent, 'holder', 'epoch')
if not s.holder or s.holder == '' or s.holder ~= ARGV[2] then return 'NOOP' end
call('HSET', state_key(agent), 'holder', '', 'evict', '0')
drop_elicitations(agent)
custom(agent, '', 'hibernated', {epoch = tonumber(s.epoch)})
mark_dirty(agent)
call('ZREM', P .. 'work', agent)
want(agent)
return 'OK'
