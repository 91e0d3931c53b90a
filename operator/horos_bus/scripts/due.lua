-- NEEDS messages
-- A delayed message whose time has come. Operator only; exactly once, since delivering and forgetting are one step.
-- ARGV  receiver, entry of `later`
-- Returns OK; NOAGENT when the life that it was sent to is over (a request then ends with an error); FULL, and the
-- entry stays; NOOP when somebody else was first.
local to, entry = ARGV[1], ARGV[2]
if not call('ZSCORE', P .. 'later', entry) then return 'NOOP' end
local message = delayed_of(to, entry)
local outcome = deliver(to, message.to_uid, message, message.cap)
if outcome == 'FULL' then return outcome end
if outcome == 'NOAGENT' and message.kind == 'request' then
  reply(to, '', message, {failed = true,
    body = 'agent ' .. to .. ' was deleted or terminated before this delayed message was due'})
end
call('ZREM', P .. 'later', entry)
return outcome
