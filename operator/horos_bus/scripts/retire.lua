-- NEEDS elicitations
-- The holder leaves by itself.
-- ARGV  agent, token, force (1 = planned stop: the open turn goes to the next incarnation and the try is not counted)
-- Returns {OK}; {BUSY} when there is something to do first; {FENCED, holder}. Repeated: OK as long as nobody else claimed.
local agent, S = ARGV[1], state_key(ARGV[1])
local s = state_of(agent, 'uid', 'holder', 'epoch', 'state', 'turn', 'attempt', 'evict')
if s.uid and s.holder == '' then return {'OK'} end
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local open, evicted = s.turn ~= '', s.evict == '1'
local busy = open and not (evicted and s.state == 'error')
  or not evicted and call('XLEN', key(agent, 'inbox')) > 0
if busy and s.state ~= 'paused' and ARGV[3] ~= '1' then return {'BUSY'} end
call('HSET', S, 'holder', '', 'evict', '0')
-- In state error `claim` will not count the next try, so there is none to take back.
if open and s.state ~= 'error' and tonumber(s.attempt) > 0 then call('HINCRBY', S, 'attempt', -1) end
drop_elicitations(agent)
custom(agent, '', 'hibernated', {epoch = tonumber(s.epoch)})
mark_dirty(agent)
call('ZREM', P .. 'work', agent)
want(agent)
return {'OK'}
