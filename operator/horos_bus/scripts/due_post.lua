-- NEEDS messages groups posting
-- A delayed post whose time has come. Operator only; exactly once, since posting and forgetting are one step. Its author
-- gets a notice when it did not reach somebody whom it was to wake, or nobody at all.
-- ARGV  group, entry of `later`
-- Returns OK; NOGROUP when the group that it was meant for is gone; NOOP when somebody else was first.
local name, entry = ARGV[1], ARGV[2]
if not call('ZSCORE', P .. 'later', entry) then return 'NOOP' end
local post = delayed_post_of(name, entry)
local group = group_of(name, post.guid)
if group then
  local _, _, full, strangers = post_to(group, post, post.cap)
  if #full + #strangers > 0 then
    tell_author(post, 'Your delayed message to group ' .. name .. ' was posted. Not woken, since their inboxes are full: '
      .. listed(full) .. '. No members: ' .. listed(strangers) .. '.')
  end
else
  tell_author(post, unposted(name))
end
call('ZREM', P .. 'later', entry)
return group and 'OK' or 'NOGROUP'
