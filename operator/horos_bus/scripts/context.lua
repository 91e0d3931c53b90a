-- Records of one thread. Reads only.
-- ARGV  agent, thread, absolute index of the first record wanted, 1 = with the records; how many at most (absent =
--       all)
-- Returns {absolute length of the thread, records from the index on (from the oldest kept, if that is later), and
-- the absolute index at which they begin; behind the end that is the index of the next record}.
local agent, thread = ARGV[1], ARGV[2]
local first, length = bounds(agent, thread)
if ARGV[4] ~= '1' then return {length, {}, length} end
local from = math.min(math.max(0, tonumber(ARGV[3]) - first), length - first)
local last = ARGV[5] and from + tonumber(ARGV[5]) - 1 or -1
return {length, call('LRANGE', context_key(agent, thread), from, last), first + from}
