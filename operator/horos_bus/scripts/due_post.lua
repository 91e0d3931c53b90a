-- NEEDS messages groups posting
-- A delayed post whose time has come. Operator only; exactly once, since posting and forgetting are one step.
-- ARGV  group, entry of `later`
-- Returns OK; NOGROUP when the group that it was meant for is gone; NOOP when somebody else was first.
local name, entry = ARGV[1], ARGV[2]
if not call('ZSCORE', P .. 'later', entry) then return 'NOOP' end
local post = delayed_post_of(name, entry)
local group = group_of(name, post.guid)
if group then post_to(group, post, post.cap) end
call('ZREM', P .. 'later', entry)
return group and 'OK' or 'NOGROUP'
