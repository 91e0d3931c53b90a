-- NEEDS elicitations
-- The call does not wait for its answer any more.
-- ARGV  agent, token, id
-- Returns {OK, what is stored as JSON if somebody has decided first, else ''}; {FENCED, holder}. Repeated: the same, so
-- what is decided is never lost with a reply. The entry itself goes with the turn.
local agent, id = ARGV[1], ARGV[3]
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local asked = elicitation_of(agent, id)
if not asked or asked.status == 'withdrawn' then return {'OK', ''} end
if asked.status ~= 'pending' then return {'OK', cjson.encode(asked)} end
take_back(agent, id, asked)
call('HSET', key(agent, 'elicitations'), id, cjson.encode(asked))
return {'OK', ''}
