-- NEEDS elicitations
-- The call is over, or has its answer: nobody has to give it one any more.
-- ARGV  agent, token, id
-- Returns {OK}; {FENCED, holder}. Repeated: OK, told once.
local agent, id = ARGV[1], ARGV[3]
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local asked = elicitation_of(agent, id)
if asked then withdraw(agent, id, asked) end
return {'OK'}
