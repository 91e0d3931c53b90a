-- Streamed events of the open turn, in order and each once.
-- ARGV  agent, token, turn, number of this call within the token's life (1, 2, ..), events as JSON..
-- Returns {OK}, also when this number was written before; {LOST}; {FENCED, holder}.
local agent, number = ARGV[1], tonumber(ARGV[4])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'thread', 'emitted')
if s.turn ~= ARGV[3] then return {'LOST'} end
if number <= tonumber(s.emitted) then return {'OK'} end
for i = 5, #ARGV do write_event(agent, s.thread, ARGV[i]) end
call('HSET', state_key(agent), 'emitted', number)
return {'OK'}
