-- Where an agent stands among those that wait for a slot. Reads only.
-- ARGV  agent
-- Returns {its place from 1, or 0 when it does not wait; how many wait}.
local rank = call('ZRANK', P .. 'queue', ARGV[1])
return {rank and rank + 1 or 0, call('ZCARD', P .. 'queue')}
