-- Joined behind groups.lua: posts that wake members.
-- A delayed post lies in `later` as 'post <group> <message>'.
local NAMES_TOLD = 20

local function listed(names)
  local shown = #names > 0 and table.concat(names, ', ', 1, math.min(#names, NAMES_TOLD)) or 'nobody'
  return #names > NAMES_TOLD and shown .. ' and ' .. (#names - NAMES_TOLD) .. ' more' or shown
end

local function delayed_post(group, post) return 'post ' .. group .. ' ' .. cmsgpack.pack(post) end
local function delayed_post_of(group, entry)
  return cmsgpack.unpack(string.sub(entry, #('post ' .. group .. ' ') + 1))
end

-- The author of a delayed post hears what nobody could know when it was written.
local function tell_author(post, what)
  deliver(post.from, post.fuid, {mid = post.mid .. '!unheard', from = post.from, fuid = post.fuid,
    thread = post.thread, kind = 'notice', re = '', hops = post.hops, body = what}, 0)
end

local function unposted(group)
  return 'Your delayed message to group ' .. group .. ' was not posted: the group was deleted before it was due.'
end

-- Store a post and bring a mention to whom it wakes: of kind `mention`, body '', `re` = the post's id, in the group's
-- thread. post: as write_post has it, with fuid ('' = a person) and hops. Returns its id, and lists of names in order:
-- who was woken, whose inbox was full, who was mentioned and is no member (or gone).
local function post_to(group, post, cap)
  local id = write_post(group, post)
  local woken, full, strangers = {}, {}, {}

  local function mention(name, member)
    local outcome = 'NOAGENT'
    if member then
      outcome = deliver(name, string.match(member, '^%S+'), {mid = post.mid .. '@' .. name, from = post.from,
        fuid = post.fuid, thread = 'group.' .. group.name, kind = 'mention', re = id, body = '', group = group.name,
        guid = group.uid, hops = post.hops}, cap)
    end
    local list = outcome == 'OK' and woken or outcome == 'FULL' and full or strangers
    list[#list + 1] = name
  end

  local done = {[post.from] = true}
  if group.wake == 'All' then
    local members = call('HGETALL', group_key(group.name, 'members'))
    for i = 1, #members, 2 do
      local name = members[i]
      if not done[name] then mention(name, members[i + 1]) end
      done[name] = true
    end
  end
  for _, name in ipairs(words(post.mentions)) do
    if not done[name] then mention(name, is_member(group.name, name)) end
    done[name] = true
  end
  for _, list in ipairs({woken, full, strangers}) do table.sort(list) end
  return id, woken, full, strangers
end
