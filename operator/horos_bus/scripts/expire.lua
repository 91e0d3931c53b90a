-- NEEDS messages groups approvals debts
-- A deadline has come: of a request, where it is owed or where it was asked, or of an approval. Operator only.
-- ARGV  agent, uid, mid
-- Returns OK when the request was still open and ends with an error now, or the approval was pending and is denied; else
-- NOOP.
local agent, uid, mid = ARGV[1], ARGV[2], ARGV[3]
local entry = deadline_entry(agent, uid, mid)
local s = state_of(agent, 'uid')
local owed = debt_of(mid, call('HGET', key(agent, 'owed'), mid))
local wait = wait_of(agent, mid)
local asked = approval_of(agent, mid)
local outcome = 'NOOP'
if s.uid == uid and owed then
  pay(agent, uid, {owed}, {body = 'agent ' .. agent .. ' did not answer in time', failed = true})
  outcome = 'OK'
elseif s.uid == uid and wait and wait.status == 'asked' then
  deliver(agent, uid, {mid = mid .. '!reply', from = wait.to, fuid = uid, thread = wait.thread, kind = 'reply',
    re = mid, body = 'agent ' .. wait.to .. ' did not answer in time', error = true}, 0)
  arrived(agent, mid, wait)
  outcome = 'OK'
elseif s.uid == uid and asked and asked.status == 'pending' then
  conclude(agent, uid, mid, asked, 'expired', '', UNDECIDED)
  outcome = 'OK'
end
call('ZREM', P .. 'later', entry)
return outcome
