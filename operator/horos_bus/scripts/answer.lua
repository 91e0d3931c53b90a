-- What became of a tool server's question. Reads only.
-- ARGV  agent, token, id
-- Returns {OK, what is stored as JSON, or '' while nobody has decided}; {LOST} when there is no such question (any more);
-- {FENCED, holder}.
local fenced = guard(ARGV[1], ARGV[2])
if fenced then return fenced end
local stored = call('HGET', key(ARGV[1], 'elicitations'), ARGV[3])
if not stored then return {'LOST'} end
return {'OK', cjson.decode(stored).status ~= 'pending' and stored or ''}
