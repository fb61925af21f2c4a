-- Takes motions, has the members vote, and tells everybody what was decided. The whole of a vote is
-- one handler from top to bottom: killed in the middle of it, the host goes on where it was, and no
-- member is asked twice. Each vote is a signed message whose evidence is kept.
local haggle = require "haggle"
local definition = require "council"

local MEMBERS = agent.config.members or {}
local WITHIN = haggle.duration(agent.config.within or "1m") -- the longest that a vote takes
local MINUTES = agent.config.minutes or 1000 -- motions that are remembered
local QUORUM = agent.config.quorum or #MEMBERS // 2 + 1 -- so many have to vote

agent.describe { name = "chair", version = 1, about = "Puts motions to the vote of a council" }
agent.protocol(definition)
agent.offer { service = "council", protocol = "council/1.0", members = #MEMBERS }

local function ballots(motion)
  local questions = {}
  for i, member in ipairs(MEMBERS) do
    questions[i] = { member, "council/1.0/ballot", { motion = motion } }
  end
  return questions
end

local function count(results)
  local tally = { yes = 0, no = 0, silent = 0, votes = {} }
  for i, result in ipairs(results) do
    local choice = result.ok and result.message.body.choice or "silent"
    tally[choice] = tally[choice] + 1
    tally.votes[MEMBERS[i]] = choice
    if result.ok then agent.keep(result.message) end
  end
  return tally
end

-- Who moves may be in more of a hurry, but cannot keep the floor for itself.
local function time_for(message)
  local ok, asked = pcall(haggle.duration, message.body.within or WITHIN)
  return ok and math.min(math.max(asked, 1), WITHIN)
end

agent.on("council/1.0/move", function(message)
  local motion, within = message.body.motion, time_for(message)
  if not within then return message:refuse("within is a duration, as in 10s", "invalid") end
  local tally = agent.exclusive("floor", function() -- one motion at a time
    return count(agent.ask_all(ballots(motion), { within = within }))
  end)
  local carried = tally.yes + tally.no >= QUORUM and tally.yes > tally.no
  if not state.minutes then state.minutes = {} end
  state.minutes[#state.minutes + 1] = {
    motion = motion, carried = carried, votes = tally.votes, moved_by = message.from,
  }
  if #state.minutes > MINUTES then table.remove(state.minutes, 1) end
  for _, member in ipairs(MEMBERS) do
    agent.send(member, "council/1.0/result", { motion = motion, carried = carried })
  end
  message:reply("decided", {
    motion = motion, carried = carried, yes = tally.yes, no = tally.no, silent = tally.silent,
    votes = tally.votes,
  })
end)
