-- NEEDS messages groups
-- Store what the operator projects of a Group. Operator only.
-- ARGV  group, uid, wake, retain, then of each member: name, uid of the agent
-- Who is new may read what is posted from now on; who is a member already keeps its place; who is missing leaves.
-- Returns OK; SAME when nothing differs; EXISTS when another uid has the name (delete it first).
local name, uid, wake, retain = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local group = group_of(name, '')
if group and group.uid ~= uid then return 'EXISTS' end
local last = group and group.last or NOTHING_POSTED
local members, changed = group_key(name, 'members'), not group or group.wake ~= wake or group.retain ~= retain
call('HSET', P .. 'groups', name, uid)
call('HSET', group_key(name, 'meta'), 'uid', uid, 'wake', wake, 'retain', retain, 'last', last)
local wanted = {}
for i = 5, #ARGV, 2 do
  local agent, life = ARGV[i], ARGV[i + 1]
  wanted[agent] = true
  if string.match(is_member(name, agent) or '', '^%S+') ~= life then
    call('HSET', members, agent, life .. ' ' .. last)
    changed = true
  end
end
for _, agent in ipairs(call('HKEYS', members)) do
  if not wanted[agent] then
    call('HDEL', members, agent)
    call('HDEL', state_key(agent), cursor_field(name))
    changed = true
  end
end
if group and tonumber(retain) < tonumber(group.retain) then
  call('XTRIM', group_key(name, 'log'), 'MAXLEN', '=', retain)
end
return changed and 'OK' or 'SAME'
