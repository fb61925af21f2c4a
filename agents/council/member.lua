-- Votes on motions by its principles: the first word of them that a motion contains decides. It
-- votes once on each motion, however often it is asked: it remembers its latest votes.
local store = require "haggle.cache"
local definition = require "council"

local FOR, AGAINST = agent.config.is_for or {}, agent.config.is_against or {}

agent.describe { name = "member", version = 1, about = "Votes in a council" }
agent.protocol(definition)

local function names(motion, words)
  for _, word in ipairs(words) do
    if motion:lower():find(word:lower(), 1, true) then return word end
  end
end

local function decide(motion)
  local bad = names(motion, AGAINST)
  if bad then return "no", "against " .. bad end
  local good = names(motion, FOR)
  if good then return "yes", "for " .. good end
  return "no", "nothing speaks for it"
end

agent.on("council/1.0/ballot", function(message)
  local motion = message.body.motion
  local vote = store.get_or("votes", motion, "365d", function()
    local choice, because = decide(motion)
    return { choice = choice, because = because }
  end)
  message:reply("vote", { choice = vote.choice, because = vote.because })
end)

agent.on("council/1.0/result", function(message)
  log.info(message.body.carried and "carried" or "not carried", { motion = message.body.motion })
end)
