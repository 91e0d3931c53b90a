-- Records of one thread. Reads only.
-- ARGV  agent, thread, absolute index of the first record wanted, 1 = with the records
-- Returns {absolute length of the thread, records from the index on (from the oldest kept, if that is later)}.
local agent, thread = ARGV[1], ARGV[2]
local first, length = bounds(agent, thread)
if ARGV[4] ~= '1' then return {length, {}} end
return {length, call('LRANGE', context_key(agent, thread), math.max(0, tonumber(ARGV[3]) - first), -1)}
