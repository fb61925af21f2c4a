-- The protocol of a council: somebody moves, the chair asks every member, members vote, the chair
-- tells what came of it.
local motion = { type = "string", min = 1, max = 1000 }

return {
  name = "council", version = "1.0", roles = { "client", "server" },
  messages = {
    move = {
      body = { motion = motion, within = "string?" }, replies = { "decided" }, opening = true,
    },
    decided = {
      body = {
        motion = motion, carried = "boolean", yes = "integer", no = "integer", silent = "integer",
        votes = { type = "map" },
      },
    },
    ballot = { body = { motion = motion }, replies = { "vote" }, opening = true },
    vote = {
      body = { choice = { type = "string", one_of = { "yes", "no" } }, because = "string?" },
    },
    result = { body = { motion = motion, carried = "boolean" }, opening = true },
  },
}
