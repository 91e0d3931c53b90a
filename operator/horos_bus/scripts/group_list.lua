-- NEEDS messages groups
-- The groups of the namespace, as an agent sees them. Reads only.
-- ARGV  agent
-- Returns of each {name, wake, how many members it has, 1 if the agent is one of them}.
local list = {}
for i, name in ipairs(call('HKEYS', P .. 'groups')) do
  list[i] = {name, group_of(name, '').wake, call('HLEN', group_key(name, 'members')),
    is_member(name, ARGV[1]) and 1 or 0}
end
return list
