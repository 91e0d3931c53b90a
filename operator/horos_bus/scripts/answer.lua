-- What became of a tool server's question. Reads only.
-- ARGV  agent, token, id
-- Returns {OK, what is stored as JSON, or '' when there is no such question (any more)}; {FENCED, holder}.
local fenced = guard(ARGV[1], ARGV[2])
if fenced then return fenced end
return {'OK', call('HGET', key(ARGV[1], 'elicitations'), ARGV[3]) or ''}
