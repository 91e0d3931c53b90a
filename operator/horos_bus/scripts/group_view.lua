-- NEEDS messages groups
-- What the bus knows of a group, seen at one moment. Reads only.
-- ARGV  group, '1' with its members
-- Returns {uid, wake, retain, id of the newest post, id of the oldest one that is kept, how many are kept, then of each
-- member if these are asked for: name, the id behind which it may read, how many it has not read}; {} when there is no
-- such group.
local group = group_of(ARGV[1], '')
if not group then return {} end
local log = group_key(group.name, 'log')
local kept, oldest = call('XLEN', log), call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local view = {group.uid, group.wake, group.retain, group.last, oldest and oldest[1] or NOTHING_POSTED, kept}
local members = ARGV[2] == '1' and call('HGETALL', group_key(group.name, 'members')) or {}
for i = 1, #members, 2 do
  local joined = string.match(members[i + 1], '%S+$')
  local read = math.max(number_of(joined), number_of(call('HGET', state_key(members[i]), cursor_field(group.name))))
  view[#view + 1] = members[i]
  view[#view + 1] = joined
  view[#view + 1] = math.min(number_of(group.last) - read, kept)
end
return view
